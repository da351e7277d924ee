from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgits.edge.choose import best_row
from edgits.edge.find import look
from edgits.edge.results import Reading


@pytest.fixture(scope="module")
def read():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 3, (60, 60, 60), 6)
    (mark,) = look(frame).candidates
    return lambda digit, confidence, x, wide, high=40: (
        replace(mark, box=(x, 0, wide, high)),
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
