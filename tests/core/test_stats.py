import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.stats import count_labels, mcnemar, paired_difference, softmax, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
DISCORDANT = st.tuples(st.integers(0, 2000), st.integers(0, 2000))


@given(COUNTS)
def test_wilson_holds_the_observed_share_within_0_and_1(counts):
    correct, n = counts
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert low < high


@given(COUNTS)
def test_wilson_of_the_wrong_answers_is_its_mirror_image(counts):
    correct, n = counts
    low, high = wilson(correct, n)
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(COUNTS, st.floats(0.5, 0.98))
def test_wilson_widens_with_confidence_and_narrows_with_n(counts, confidence):
    correct, n = counts
    low, high = wilson(correct, n, confidence)
    wider = wilson(correct, n, confidence + 0.01)
    narrower = wilson(correct * 4, n * 4, confidence)
    assert wider[0] <= low <= high <= wider[1]
    assert narrower[1] - narrower[0] < high - low


def test_wilson_bounds_are_where_the_score_test_just_rejects():
    low, high = wilson(45, 50)
    for bound in (low, high):
        z = (45 / 50 - bound) / math.sqrt(bound * (1 - bound) / 50)
        assert abs(z) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize(("correct", "n", "expected"), [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605))])
def test_wilson_agrees_with_newcombe_1998(correct, n, expected):
    assert wilson(correct, n) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("correct", "n", "confidence"), [(1, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)])
def test_wilson_refuses_what_is_no_proportion(correct, n, confidence):
    with pytest.raises(ValueError, match="must be"):
        wilson(correct, n, confidence)


@given(DISCORDANT)
def test_mcnemar_is_symmetric_and_a_probability(counts):
    b, c = counts
    assert 0 <= mcnemar(b, c) <= 1
    assert mcnemar(b, c) == mcnemar(c, b)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_counting_all_outcomes(b, c):
    n = b + c
    exact = 2 * sum(math.comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert mcnemar(b, c) == pytest.approx(min(1.0, exact), rel=1e-9)


def test_mcnemar_knows_even_and_uneven():
    assert mcnemar(0, 0) == 1
    assert mcnemar(7, 7) == 1
    assert mcnemar(0, 6) == pytest.approx(0.03125)
    assert mcnemar(1, 300) < 1e-80


@given(DISCORDANT, st.integers(1, 5000))
def test_paired_difference_holds_the_observed_one_and_turns_with_its_sign(counts, agreeing):
    b, c = counts
    n = b + c + agreeing
    low, high = paired_difference(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert paired_difference(c, b, n) == pytest.approx((-high, -low))


def test_paired_difference_is_not_sure_where_no_image_differs():
    low, high = paired_difference(0, 0, 1000)
    assert low < 0 < high
    assert high == pytest.approx(0.0028, abs=2e-4)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_labels_are_counted_whatever_their_type(dtype):
    assert count_labels(np.array([0, 2, 2], dtype), 4).tolist() == [1, 0, 2, 0]
    assert count_labels(np.array([], dtype), 2).tolist() == [0, 0]


def test_paired_difference_is_bonett_and_price():
    # 12 and 5 of 100 with one of either kind added: 13 and 6 of 102, at 1.96 standard errors
    first, second = 13 / 102, 6 / 102
    half = 1.959964 * math.sqrt((first + second - (first - second) ** 2) / 102)
    assert paired_difference(12, 5, 100) == pytest.approx((first - second - half, first - second + half), abs=1e-6)


@pytest.mark.parametrize(("b", "c", "n"), [(-1, 5, 10), (5, -1, 10), (6, 5, 10), (0, 0, 0)])
def test_counts_that_can_not_be_are_refused(b, c, n):
    with pytest.raises(ValueError, match=f"must be 0 or more and n at least .* found {b}, {c} and {n}"):
        paired_difference(b, c, n)
    if min(b, c) < 0:
        with pytest.raises(ValueError, match=f"must be 0 or more, found {b} and {c}"):
            mcnemar(b, c)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5])
def test_a_confidence_lies_between_none_and_certainty(confidence):
    with pytest.raises(ValueError, match="a confidence must be above 0 and below 1"):
        wilson(1, 5, confidence)


def test_counts_are_int64_and_no_more_than_asked_for():
    assert count_labels(np.array([], np.int64)).shape == (0,)
    assert count_labels(np.array([1])).dtype == np.int64


def test_each_row_of_scores_stands_for_itself():
    scores = np.array([[1000.0, 1000.0, 998.0], [-1000.0, -1002.0, -1000.0]])  # a common maximum would leave 0 / 0
    e = math.exp(-2)
    expected = [[1 / (2 + e), 1 / (2 + e), e / (2 + e)], [1 / (2 + e), e / (2 + e), 1 / (2 + e)]]
    assert softmax(scores).dtype == np.float32
    np.testing.assert_allclose(softmax(scores), expected, rtol=1e-6)
    np.testing.assert_array_equal(softmax(scores[:1]), softmax(scores)[:1])
    assert softmax(scores[:0]).shape == (0, 3)
