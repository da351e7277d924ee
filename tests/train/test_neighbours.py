import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.train.neighbours import cropped, parted, touch

INK = 128


def stroke(height, width, *, at, wide):
    image = np.zeros((height, width), np.uint8)
    image[:, at : at + wide] = 255
    return image


@given(seed=st.integers(0, 2**32), places=st.tuples(st.integers(0, 199), st.integers(0, 199)))
def test_what_is_cut_off_is_the_digit_but_for_a_tip_or_a_stub(mnist5k, seed, places):
    own, other = (mnist5k.images[25 * place] for place in places)
    drawn = parted(own, other, np.random.default_rng(seed))
    before, after = cropped(own), cropped(drawn)
    assert drawn.dtype == np.uint8
    assert (after > INK).sum() >= 0.7**2 * (
        before > INK
    ).sum()  # seven tenths are left of a cut; of two, seven tenths again
    assert after.shape[1] <= before.shape[1] + 0.5 * before.shape[0]


def test_a_neighbour_leaves_a_stub_or_takes_a_tip(mnist5k):
    """Else nothing would be learnt from it."""
    rng = np.random.default_rng(0)
    pairs = [(mnist5k.images[i], mnist5k.images[4999 - i]) for i in range(0, 2000, 10)]
    ink = [((own > INK).sum(), (parted(own, other, rng) > INK).sum()) for own, other in pairs]
    less, more = (np.mean([sign * (after - before) > 0.01 * before for before, after in ink]) for sign in (-1, 1))
    assert less > 0.15
    assert more > 0.15


@pytest.mark.parametrize("blank", [(True, False), (False, True), (True, True)])
def test_nothing_is_cut_off_from_nothing(mnist5k, blank):
    own, other = (np.zeros((28, 28), np.uint8) if empty else mnist5k.images[0] for empty in blank)
    assert parted(own, other, np.random.default_rng(0)) is own


@pytest.mark.parametrize("over", [0, 1, 3])
def test_digits_touch_where_they_come_nearest(over):
    both, at = touch(stroke(20, 30, at=20, wide=6), stroke(20, 12, at=0, wide=6), over)
    assert at == 26 - over
    assert cv2.connectedComponents(both)[0] == 2  # the paper, and one piece of ink
    assert np.count_nonzero(both[0]) == 12 - over


@given(seed=st.integers(0, 2**32), over=st.integers(1, 5))
def test_touching_digits_are_one_piece_and_whole(mnist5k, seed, over):
    rng = np.random.default_rng(seed)
    own, other = (mnist5k.images[place] for place in rng.integers(0, 5000, 2))
    high = 20
    own, other = (cv2.resize(cropped(one), (max(3, cropped(one).shape[1]), high)) for one in (own, other))
    both, at = touch(own, other, over)
    assert np.all(both[:, : own.shape[1]] >= own)
    assert np.all(both[:, at : at + other.shape[1]] >= other)
    assert both.shape[1] == max(own.shape[1], at + other.shape[1])
    assert at >= own.shape[1] - other.shape[1] // 3 - high  # a digit doesn't move into the one before
