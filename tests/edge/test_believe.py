from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.believe import in_company
from edgits.edge.find import look
from edgits.edge.results import Reading

STROKE = Reading(1, 0.16, accepted=False, any_digit=0.17)


@pytest.fixture(scope="module")
def mark():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 3, (60, 60, 60), 6)
    (found,) = look(frame).candidates
    return lambda x, wide=30, high=40, **traits: replace(found, box=(x, 100, wide, high), **traits)


def test_a_bare_stroke_beside_digits_of_the_same_pen_is_a_digit(mark):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    ((_, weighed),) = in_company([(mark(140, 8), STROKE)], digits)
    assert weighed.likeliest == 1
    assert weighed.confidence == pytest.approx(8 * 0.16 / (8 * 0.17 + 0.83))
    assert weighed.any_digit == pytest.approx(8 * 0.17 / (8 * 0.17 + 0.83))


def test_digits_of_a_row_may_stand_far_apart(mark):
    digits = [(mark(20), Reading(4, 0.99)), (mark(150), Reading(7, 0.98))]
    assert len(in_company([(mark(280, 8), STROKE)], digits)) == 1


@pytest.mark.parametrize(
    "alone",
    [
        {"x": 300},  # too far
        {"x": 140, "contrast": 0.1},  # another pen
        {"x": 140, "stroke": 40.0},
        {"x": 140, "high": 90},  # another line's, or the side of a box
    ],
)
def test_a_mark_that_stands_by_itself_is_what_the_model_says(mark, alone):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    assert in_company([(mark(wide=8, **alone), STROKE)], digits) == []


def test_one_digit_is_no_company_two_marks_without_digits_are_none(mark):
    strokes = [(mark(140, 8), STROKE), (mark(160, 8), STROKE)]
    assert in_company(strokes, [(mark(95), Reading(7, 0.98))]) == []
    assert in_company(strokes, []) == []
    assert in_company([], [(mark(95), Reading(7, 0.98))] * 2) == []


@given(st.floats(0, 1), st.floats(0, 1))
def test_company_makes_a_digit_likelier_and_never_more_than_sure(mark, any_digit, share):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    before = Reading(1, share * any_digit, accepted=False, any_digit=any_digit)
    ((_, after),) = in_company([(mark(140, 8), before)], digits)
    assert before.confidence <= after.confidence + 1e-12
    assert after.confidence <= after.any_digit + 1e-12 <= 1 + 2e-12
