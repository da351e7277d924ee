from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.choose import best_row, without_rivals, worth_reading
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


def text(pieces, wide, several=0.9):
    return [reading.digit for _, reading in best_row(pieces, (wide, 40), several)]


def test_a_digit_between_two_is_not_swallowed_by_a_neighbour(read):
    pieces = {
        (0, 1): read(3, 0.99, 0, 24),
        (1, 2): read(1, 0.99, 24, 10),
        (2, 3): read(4, 0.96, 34, 30),
        (1, 3): read(4, 0.92, 24, 40),
    }
    assert text(pieces, 64) == [3, 1, 4]


def test_a_digit_that_reads_well_is_not_parted_into_doubtful_ones(read):
    pieces = {(0, 2): read(0, 0.93, 0, 38), (0, 1): read(6, 0.6, 0, 18, 20), (1, 2): read(1, 0.7, 18, 12, 20)}
    assert text(pieces, 38) == [0]


def test_what_no_piece_reads_is_left_out(read):
    pieces = {(0, 1): read(None, 0.2, 0, 20), (1, 3): read(7, 0.98, 20, 26), (3, 4): read(None, 0.4, 46, 20)}
    assert text(pieces, 66) == [7]
    assert text({(0, 1): read(None, 0.2, 0, 20)}, 20) == []
    assert text({}, 20) == []


def test_pieces_that_were_cut_through_much_ink_are_less_likely_digits(read):
    for cut, expected in ((0.1, [3, 5]), (0.8, [8])):
        pieces = {
            (0, 1): read(3, 0.95, 0, 22, cut=cut),
            (1, 2): read(5, 0.95, 22, 22, cut=cut),
            (0, 2): read(8, 0.6, 0, 44),
        }
        assert text(pieces, 44) == expected


def test_a_letter_is_not_parted_and_digits_that_touch_are(read):
    pieces = {(0, 1): read(1, 0.99, 0, 10, cut=0.15), (1, 2): read(7, 0.8, 10, 20, cut=0.15)}
    assert text(pieces, 30, several=0.99) == [1, 7]
    assert text(pieces, 30, several=0.005) == []


def test_a_stroke_at_the_end_of_a_mark_is_a_digit_only_if_it_reads_as_one(read):
    for confidence, expected in ((0.99, [1, 4]), (0.5, [4])):
        assert text({(0, 1): read(1, confidence, 0, 9), (1, 2): read(4, 0.97, 10, 30)}, 40) == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.floats(0, 1), st.integers(4, 60), st.integers(9, 40), st.floats(0, 1.4)),
        min_size=10,
        max_size=10,
    ),
    st.floats(0, 1),
)
def test_what_is_not_worth_reading_is_never_chosen(read, drawn, several):
    """However surely a piece is read, `best_row` chooses none that `worth_reading` leaves out."""
    places = [(start, end) for end in range(1, 5) for start in range(end)]
    pieces = {
        ends: read(digit, confidence, 10 * ends[0], wide, high, cut)
        for ends, (digit, confidence, wide, high, cut) in zip(places, drawn, strict=True)
    }
    worth = worth_reading({ends: piece for ends, (piece, _) in pieces.items()}, (60, 40), several)
    left = {ends: pieces[ends] for ends in worth}
    assert best_row(left, (60, 40), several) == best_row(pieces, (60, 40), several)


def test_a_mark_seen_again_in_a_closer_look_is_no_other_one():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4 4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 2, (60, 60, 60), 5)
    marks = look(frame).candidates
    (closer,) = views(frame, Area((96, 88, 160, 104), frozenset({0.75})))
    again = closer.candidates
    assert len(marks) == len(again) == 2
    every = [*marks, *again]
    kept = without_rivals([(mark, Reading(4, 0.9)) for mark in every], np.full(4, 0.9))
    assert sorted(every[i].box[0] // 60 for i in kept) == sorted(mark.box[0] // 60 for mark in marks)


@pytest.mark.parametrize(
    ("shares", "coarser", "kept"),
    [
        ((0.1, 0.9), True, "digit"),
        ((0.5, 0.9), True, "whole"),  # it may be a digit, and what is in it its loop
        ((0.1, 0.4), True, "whole"),
        ((0.1, 0.9), False, "whole"),  # seen as clearly as what is in it
    ],
)
def test_a_digit_in_a_shadow_is_chosen_if_only_the_coarser_look_takes_both_for_one_mark(shares, coarser, kept):
    whole, mark = nested(2 if coarser else 1)
    read = [(whole, Reading(9, 0.8)), (mark, Reading(4, 0.99))]
    assert without_rivals(read, np.array(shares)) == [0 if kept == "whole" else 1]


@pytest.mark.parametrize(("thicker", "kept"), [(1.0, "whole"), (3.0, "digit")])
def test_the_rest_of_a_stroke_is_of_its_digits_own_pen_a_shadow_is_not(thicker, kept):
    whole, mark = nested(2)
    x, y, w, h = whole.box
    whole = replace(whole, box=(x, y, w, 3 * h), stroke=thicker * mark.stroke)
    read = [(whole, Reading(9, 0.8)), (mark, Reading(1, 0.99))]
    assert without_rivals(read, np.array((0.1, 0.9))) == [0 if kept == "whole" else 1]


def nested(coarser):
    """A mark, and one a little larger that holds it, seen so many times coarser."""
    frame = np.full((480, 640, 3), 220, np.uint8)
    cv2.putText(frame, "4", (250, 300), cv2.FONT_HERSHEY_SIMPLEX, 5, (60, 60, 60), 12)
    (mark,) = (one for one in look(frame).candidates if one.box[3] > 60)
    level = replace(mark.level, scale=mark.level.scale * coarser)
    whole = replace(mark, box=(*mark.box[:2], mark.box[2] + 9, mark.box[3] + 9), level=level)
    if coarser > 1:
        small = cv2.resize(mark.mark.mask, None, fx=1 / coarser, fy=1 / coarser, interpolation=cv2.INTER_AREA)
        corner = tuple(side // coarser for side in mark.mark.corner)
        whole = replace(whole, mark=replace(mark.mark, mask=small, corner=corner))
    return whole, mark
