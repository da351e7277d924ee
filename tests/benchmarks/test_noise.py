import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.benchmarks.noise import PROCESS, ratio
from edgits.errors import DataError

TIMES = st.lists(st.tuples(*[st.floats(0.1, 1e6)] * 2), min_size=1, max_size=40)


@given(TIMES)
def test_the_interval_holds_the_ratio_and_turns_with_it(pairs):
    mine, theirs = zip(*pairs, strict=True)
    there, back = ratio(mine, theirs), ratio(theirs, mine)
    assert there.low <= there.value <= there.high
    assert back.value == pytest.approx(1 / there.value)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))
    assert there.sure == back.sure


def test_ten_rounds_leave_one_out_at_either_end():
    times = [100.0] * 10
    found = ratio([110, 120, 121, 122, 123, 124, 125, 126, 127, 500], times)
    assert (found.low, found.high) == (1.2, 1.27)
    assert found.value == pytest.approx(np.sqrt(1.23 * 1.24))
    assert found.text() == "1.23 (1.20–1.27)"


def test_a_machine_that_slows_down_for_both_makes_no_difference():
    drift = np.linspace(1, 3, 10)
    assert not ratio([*(100 * drift)], [*(101 * drift)]).sure
    found = ratio([*(150 * drift)], [*(100 * drift)])
    assert found.sure
    assert found.value == pytest.approx(1.5)


def test_noise_is_not_called_a_difference_and_a_fifth_is():
    rng = np.random.default_rng(0)
    noise = rng.lognormal(0, 0.05, (400, 2, 10))
    assert np.mean([ratio([*a], [*b]).sure for a, b in noise]) < 0.05
    assert np.mean([ratio([*(1.25 * a)], [*b]).sure for a, b in noise]) > 0.95


def test_what_two_processes_of_one_file_differ_by_is_allowed_for():
    assert not ratio([1 + PROCESS] * 10, [1] * 10).sure
    assert ratio([1 + 1.1 * PROCESS] * 10, [1] * 10).sure


@pytest.mark.parametrize(("mine", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_rounds_must_be_pairs(mine, theirs):
    with pytest.raises(DataError, match="as many of both"):
        ratio(mine, theirs)
