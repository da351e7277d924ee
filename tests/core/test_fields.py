import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgits.fields import ink_on_fields, two_toned

SIDE = st.integers(1, 64)


def fields(height, width, angle, distances, tones):
    """Paper of two tones, float64 (H, W): straight edges, so many shares of the shorter side from the middle."""
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1]).reshape(2, 1, 1) / 2
    across = (x * np.cos(angle) + y * np.sin(angle)) / min(height, width)
    beyond = np.zeros((height, width), bool)
    for distance in distances:
        beyond |= across * np.sign(distance) > abs(distance)
    return np.where(beyond, *tones).astype(float)


@pytest.fixture(scope="module")
def written(mnist5k):
    """A hundred real digits, ink as a share; float64 (56, 56)."""
    chosen = np.concatenate([np.flatnonzero(mnist5k.labels == digit)[:10] for digit in range(10)])
    larger = [cv2.resize(image, (56, 56), interpolation=cv2.INTER_CUBIC) for image in mnist5k.images[chosen]]
    return [image / 255 for image in larger]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(20, 64),
    st.floats(0.9, 1.1),
    st.floats(0, 2 * np.pi),
    st.sampled_from([(0.1,), (0.25,), (0.25, -0.3), (0.3, -0.25)]),
    st.tuples(st.integers(0, 100), st.integers(140, 255)),
    st.booleans(),
)
def test_plain_fields_are_told_at_any_angle(height, aspect, angle, distances, tones, swapped):
    width = round(height * aspect)
    paper = fields(height, width, angle, distances, tones[::-1] if swapped else tones)
    found = two_toned(paper.astype(np.uint8))
    assert found is not None
    darkest, lightest = found
    assert (darkest <= lightest).all()
    wrong = (paper < darkest - 1.0) | (paper > lightest + 1.0)
    assert wrong.mean() < len(distances) / height, "only beside an edge, which here goes by whole pixels"
    # elsewhere the paper is known
    assert (darkest != lightest).mean() < 4 * len(distances) / height


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(SIDE, SIDE), elements=st.integers(0, 255), fill=st.integers(0, 255)))
def test_any_crop_is_taken_and_stays_as_it_is(crop):
    before = crop.copy()
    found = ink_on_fields(crop)
    assert found is None or (found.shape, found.dtype) == (crop.shape, np.uint8)
    assert (found is None) == (two_toned(crop) is None)
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize("margin", [12, 2, 0])
def test_digits_on_plain_paper_are_left_alone_however_tightly_they_are_cut(written, margin):
    for ink in written:
        left, top, wide, high = cv2.boundingRect((ink > 0.3).astype(np.uint8))
        page = np.pad(ink[top : top + high, left : left + wide], margin)
        assert two_toned((200 - 140 * page).astype(np.uint8)) is None
        assert two_toned((255 * page).astype(np.uint8)) is None


def test_a_line_along_the_border_is_no_field(written):
    for ink in written:
        page = 200 - 140 * ink
        page[:, :3] = page[:2] = 40
        assert two_toned(page.astype(np.uint8)) is None
