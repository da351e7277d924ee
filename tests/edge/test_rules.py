import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.rules import LENGTH, erase_rules, find_rungs

HEIGHT, WIDTH = 200, 320


def page(*, line=None, digit=None):
    """A mask with a line, of two ends and a thickness, and a digit."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if line:
        start, end, thickness = line
        cv2.line(mask, start, end, 1, thickness)
    if digit is not None:
        cv2.putText(mask, str(digit), (130, 125), cv2.FONT_HERSHEY_SIMPLEX, 2, 1, 4)
    return mask


@given(st.integers(10, HEIGHT - 11), st.floats(-0.19, 0.19), st.integers(2, 4), st.booleans())
def test_a_long_line_is_erased_at_any_lean(at, slant, thickness, standing):
    rise = round(slant * 200)
    mask = page(line=((80, int(np.clip(at - rise, 5, HEIGHT - 6))), (280, at), thickness))
    mask = np.ascontiguousarray(mask.T) if standing else mask
    left = erase_rules(mask)
    assert np.count_nonzero(left) <= 0.1 * np.count_nonzero(mask)
    assert not np.any(left & (1 - mask)), "nothing is added"


@given(st.integers(0, 9))
def test_a_digit_stays_as_it_is(digit):
    mask = page(digit=digit)
    assert erase_rules(mask) is mask


@given(st.integers(0, 9), st.sampled_from([95, 108, 150]), st.integers(1, 3))
def test_a_digit_on_a_line_keeps_its_strokes(digit, at, thickness):
    alone, line = page(digit=digit), page(line=((10, at), (310, at), thickness))
    left = erase_rules(alone | line)
    assert np.count_nonzero(left & alone) >= 0.85 * np.count_nonzero(alone)
    assert np.count_nonzero(left & (1 - alone)) <= 0.1 * np.count_nonzero(line)


def test_a_stroke_that_crosses_a_line_is_closed_again():
    mask = page(line=((20, 100), (300, 100), 2))
    cv2.line(mask, (160, 70), (160, 130), 1, 3)
    left = erase_rules(mask)
    assert left[70:130, 159:162].all()
    assert not left[:, 20:140].any()


def test_what_is_shorter_than_a_line_stays():
    mask = page(line=((100, 50), (100 + LENGTH // 2, 50), 2))
    assert erase_rules(mask) is mask


@given(st.integers(-4, 4), st.integers(2, 4), st.sampled_from([40, 200]), st.floats(0.2, 3.5), st.integers(-14, 0))
def test_the_side_of_a_box_goes_from_line_to_line_and_is_as_dark(lean, thickness, printed, darker, short):
    ink = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row in (80, 120):
        cv2.line(ink, (10, row), (310, row), printed, thickness)
    own = int(min(255, max(1, printed * darker)))
    cv2.line(ink, (100, 80), (100 + lean, 120), printed, thickness)
    ink = np.maximum(ink, cv2.line(np.zeros_like(ink), (200, 80), (200 + lean, 120 + short), own, thickness))
    mask = np.asarray(ink > 0, np.uint8)
    clean = erase_rules(mask)
    boxes = sorted(cv2.boundingRect(found) for found in cv2.findContours(clean, 0, cv2.CHAIN_APPROX_SIMPLE)[-2])
    rungs = find_rungs(np.array(boxes, np.int32), clean, mask - clean, ink)
    told = [i in rungs for i, box in enumerate(boxes) if box[3] > 8]
    assert told[0]
    assert len(told) == 2
    if short <= -12 or own < 0.4 * printed or own > 2.5 * printed:
        assert not told[1]


@given(st.integers(1, 40), st.integers(1, 400), st.booleans())
def test_any_size_will_do(height, width, full):
    mask = np.full((height, width), int(full), np.uint8)
    left = erase_rules(mask)
    assert left.shape == mask.shape
    assert not np.any(left & (1 - mask))
