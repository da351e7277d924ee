"""Windows on rows of digits that touch."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.normalize import Normalization
from edgits.windows import normalize_row

SIZE = 28


def written(text, *, scale=2.0, thick=5, dark=True):
    """A row on paper with its box, and the middles of its digits."""
    page = np.full((120, 60 + 50 * len(text)), 215, np.uint8)
    middles = []
    for number, digit in enumerate(text):
        before = page.copy()
        cv2.putText(page, digit, (30 + 44 * number, 85), cv2.FONT_HERSHEY_SIMPLEX, scale, 60, thick, cv2.LINE_AA)
        columns = np.flatnonzero((before != page).any(axis=0))
        middles.append((columns[0] + columns[-1]) / 2)
    box = cv2.boundingRect((page < 140).view(np.uint8))
    return (page if dark else 255 - page), box, middles


def alike(one, other):
    return np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1]


@pytest.mark.parametrize("dark", [True, False])
def test_a_window_on_a_digit_shows_it_as_if_it_stood_alone(dark):
    page, box, middles = written("2503", dark=dark)
    row = normalize_row(page, box, dark_ink=dark)
    for window, middle in zip(row.windows(middles, SIZE), middles, strict=True):
        x = round(middle)
        alone = Normalization(size=SIZE).one(page[:, max(x - 21, 0) : x + 22], dark_ink=dark)
        assert alike(window[:, 5:23], alone[:, 5:23]) > 0.6


def test_light_and_a_shadow_make_little_difference():
    page, box, middles = written("380")
    light = np.linspace(0.45, 1.1, page.shape[1])[None, :]
    shaded = np.clip(page * light, 0, 255).astype(np.uint8)
    even, uneven = (normalize_row(image, box, dark_ink=True).windows(middles, SIZE) for image in (page, shaded))
    assert min(alike(one, other) for one, other in zip(even, uneven, strict=True)) > 0.9


def test_a_low_digit_in_a_high_row_is_as_large_as_others():
    page = np.full((140, 220), 220, np.uint8)
    cv2.line(page, (30, 10), (30, 130), 50, 5)
    cv2.putText(page, "3", (90, 100), cv2.FONT_HERSHEY_SIMPLEX, 2.6, 50, 5, cv2.LINE_AA)
    row = normalize_row(page, cv2.boundingRect((page < 140).view(np.uint8)), dark_ink=True)
    ((window,)) = row.windows([113], SIZE)
    assert 17 <= np.ptp(np.flatnonzero((window > 128).any(axis=1))) + 1 <= 23


@given(
    st.integers(1, 120),
    st.integers(1, 300),
    st.tuples(st.integers(0, 300), st.integers(0, 120), st.integers(1, 300), st.integers(1, 120)),
    st.integers(8, 48),
    st.integers(0, 2**32 - 1),
)
def test_whatever_the_crop_windows_have_their_size(height, width, box, size, seed):
    crop = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    left, top = min(box[0], width - 1), min(box[1], height - 1)
    inside = (left, top, min(box[2], width - left), min(box[3], height - top))
    row = normalize_row(crop, inside, dark_ink=True)
    columns = row.columns(0.1)
    pixel = max(1, height / 64)  # larger crops are shrunk first
    assert all(inside[0] - pixel <= column <= inside[0] + inside[2] + pixel for column in columns)
    assert np.all(np.diff(columns) > 0)
    windows = row.windows([*columns, -50.0, 1000.0], size)
    assert all(window.shape == (size, size) and window.dtype == np.uint8 for window in windows)


def test_an_empty_crop_has_empty_windows():
    row = normalize_row(np.full((60, 90), 200, np.uint8), (10, 10, 60, 40), dark_ink=True)
    assert not any(window.any() for window in row.windows(row.columns(0.1), SIZE))
