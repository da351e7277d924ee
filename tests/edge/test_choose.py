from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgits.edge.choose import best_row, without_rivals
from edgits.edge.find import look, views
from edgits.edge.results import Area, Reading


@pytest.fixture(scope="module")
def read():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 3, (60, 60, 60), 6)
    (mark,) = look(frame).candidates
    return lambda digit, confidence, x, wide, high=40, cut=0.0: (
        replace(mark, box=(x, 0, wide, high), cut=cut),
        Reading(digit or 0, confidence, digit is not None),
    )


def text(row):
    return [reading.digit for _, reading in row]


def test_a_digit_between_two_is_not_swallowed_by_a_neighbour(read):
    pieces = {
        (0, 1): read(3, 0.99, 0, 24),
        (1, 2): read(1, 0.99, 24, 10),
        (2, 3): read(4, 0.96, 34, 30),
        (1, 3): read(4, 0.92, 24, 40),
    }
    assert text(best_row(pieces)) == [3, 1, 4]


def test_a_digit_that_reads_well_is_not_parted_into_doubtful_ones(read):
    pieces = {(0, 2): read(0, 0.93, 0, 38), (0, 1): read(6, 0.6, 0, 18, 20), (1, 2): read(1, 0.7, 18, 12, 20)}
    assert text(best_row(pieces)) == [0]


def test_what_no_piece_reads_is_left_out(read):
    pieces = {(0, 1): read(None, 0.2, 0, 20), (1, 3): read(7, 0.98, 20, 26), (3, 4): read(None, 0.4, 46, 20)}
    assert text(best_row(pieces)) == [7]
    assert best_row({(0, 1): read(None, 0.2, 0, 20)}) == []
    assert best_row({}) == []


def test_pieces_that_were_cut_through_much_ink_are_less_likely_digits(read):
    for cut, expected in ((0.1, [3, 5]), (0.8, [8])):
        pieces = {
            (0, 1): read(3, 0.95, 0, 22, cut=cut),
            (1, 2): read(5, 0.95, 22, 22, cut=cut),
            (0, 2): read(8, 0.6, 0, 44),
        }
        assert text(best_row(pieces)) == expected


def test_a_stroke_at_the_end_of_a_mark_is_a_digit_only_if_it_reads_as_one(read):
    for confidence, expected in ((0.99, [1, 4]), (0.5, [4])):
        assert text(best_row({(0, 1): read(1, confidence, 0, 9), (1, 2): read(4, 0.97, 10, 30)})) == expected


def test_a_mark_seen_again_in_a_closer_look_is_no_other_one():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4 4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 2, (60, 60, 60), 5)
    marks = look(frame).candidates
    (closer,) = views(frame, Area((96, 88, 160, 104), frozenset({0.75})))
    again = closer.candidates
    assert len(marks) == len(again) == 2
    kept = without_rivals([(mark, Reading(4, 0.9)) for mark in (*marks, *again)])
    assert sorted(mark.box[0] // 60 for mark, _ in kept) == sorted(mark.box[0] // 60 for mark in marks)
