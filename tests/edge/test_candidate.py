"""Marks that may be digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.candidate import candidate_of, join
from edgits.edge.ink import Level
from edgits.edge.marks import Mark


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
