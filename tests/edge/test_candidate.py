"""Marks that may be digits."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.candidate import candidate_of, is_edge, join
from edgits.edge.find import look
from edgits.edge.ink import Level
from edgits.edge.marks import Mark, as_strokes


def level(scale, corner=(0, 0)):
    gray = np.full((64, 64), 200, np.uint8)
    return Level(gray, np.zeros_like(gray), np.zeros_like(gray), np.zeros_like(gray), scale, corner)


@given(
    st.sampled_from([0.5, 1.0, 1.37, 2.0, 8.0]),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_a_box_is_around_the_ink_and_never_empty(scale, place, size, corner):
    mark = Mark(np.ones((size[1], size[0]), np.uint8), place, 1.0)
    x, y, w, h = candidate_of(level(scale, corner), mark, 0.0, 0.0).box
    assert w >= 1
    assert h >= 1
    for low, length, start, own, origin in ((x, w, place[0], size[0], corner[0]), (y, h, place[1], size[1], corner[1])):
        assert low == pytest.approx(start * scale + origin, abs=0.5)
        assert low + length == pytest.approx((start + own) * scale + origin, abs=1)


def test_joined_marks_have_the_ink_of_both():
    one = candidate_of(level(1.0), Mark(np.ones((20, 3), np.uint8), (5, 5), 3.0), 0.1, 0.2)
    other = candidate_of(level(1.0), Mark(np.ones((10, 4), np.uint8), (12, 10), 4.0), 0.2, 0.1)
    both = join(one, other)
    assert both.box == (5, 5, 11, 20)
    assert both.mark.mask.sum() == 20 * 3 + 10 * 4
    assert (both.rough, both.crowd, both.stroke) == (0.1, 0.1, 4.0)


def drawn(*strokes, pen=5):
    """A mark of strokes, points (x, y) in heights of 45 pixels."""
    ink = np.zeros((100, 120), np.uint8)
    for points in strokes:
        cv2.polylines(ink, [np.rint(45 * np.array(points) + (50, 15)).astype(np.int32)], False, 1, pen)
    x, y, w, h = cv2.boundingRect(ink)
    mask = np.ascontiguousarray(ink[y : y + h, x : x + w])
    return candidate_of(level(1.0), as_strokes(mask, (0, 0)), 0.0, 0.0)


@given(st.floats(0, 0.16), st.floats(-0.15, 0.15), st.sampled_from([1, -1]), st.integers(3, 8))
def test_a_stroke_bows_as_far_as_it_was_drawn(bow, lean, side, pen):
    down = np.linspace(0, 1, 30)
    stroke = np.stack([lean * down + side * 4 * bow * down * (1 - down), down], axis=1)
    assert drawn(stroke, pen=pen).bow == pytest.approx(0.85 * bow, abs=0.03)  # measured beside the very ends


@pytest.mark.parametrize(
    "strokes",
    [
        [[(-0.3, 0.35), (0, 0), (0, 1)]],  # a 1 with a flag
        [[(-0.4, 0), (0, 0), (-0.2, 1)]],  # a 7
        [[(0, 0), (0, 1)], [(-0.3, 1), (0.3, 1)]],  # a 1 with a foot
    ],
)
def test_what_has_a_flag_a_bar_or_a_foot_is_no_bowed_stroke(strokes):
    assert drawn(*strokes).bow == 0


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("width", "edge"), [(8, True), (12, True), (17, True), (20, False)])
def test_a_shadow_between_a_sheet_and_a_dark_table_is_an_edge_unless_it_is_as_wide_as_a_digit(width, edge, side):
    gray = np.full((64, 96), 205, np.uint8)
    gray[:, 40:] = 90
    gray[12:52, 40 : 40 + width] = 45
    mark = Mark(np.ones((40, width), np.uint8), (40 if side > 0 else 96 - 40 - width, 12), float(width))
    assert is_edge(replace(level(1.0), gray=np.ascontiguousarray(gray[:, ::side])), mark) is edge


@pytest.mark.parametrize("dark", [0.0, 0.5, 0.8])
def test_a_stroke_beside_a_letter_is_no_edge(dark):
    gray = np.full((64, 96), 205, np.uint8)
    gray[12:52, 40:56] = 60
    gray[12 : 12 + round(40 * dark), 60:90] = 60
    assert not is_edge(replace(level(1.0), gray=gray), Mark(np.ones((40, 16), np.uint8), (40, 12), 16.0))


def legs(lean, width):
    """The legs alone, and with the broad body that they belong to: uint8 (330, 400), black on white."""
    alone = np.full((330, 400), 250, np.uint8)
    for x in (110, 290):
        cv2.line(alone, (x, 190), (round(x + lean * 110), 300), 10, width)
    grown = alone.copy()
    cv2.ellipse(grown, (200, 130), (150, 75), 0, 0, 360, 10, cv2.FILLED)
    return alone, grown


@given(st.floats(-0.25, 0.25), st.integers(18, 26))
def test_a_limb_goes_on_in_its_body_and_a_stroke_ends(lean, width):
    alone, grown = ([mark for mark in look(page).candidates if mark.box[1] > 150] for page in legs(lean, width))
    assert len(alone) == len(grown) == 2
    assert max(mark.limb for mark in alone) < 0.01
    assert min(mark.limb for mark in grown) > 0.06
