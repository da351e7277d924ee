import numpy as np
import pytest

from edgits.stats import softmax
from edgits.train.calibrate import expected_calibration_error, fit_temperature, none_excess, reject_threshold


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 10)).astype(np.float32)
    labels = np.array([rng.choice(10, p=row / row.sum()) for row in softmax(logits).astype(np.float64)])
    assert abs(fit_temperature(logits * 3, labels) - 3) < 0.3
    right = (logits * 3).argmax(axis=1) == labels
    before = expected_calibration_error(softmax(logits * 3).max(axis=1), right)
    after = expected_calibration_error(softmax(logits * 3 / 3).max(axis=1), right)
    assert after < 0.03 < before


def test_the_threshold_accepts_the_share_asked_for():
    rng = np.random.default_rng(0)
    scores = softmax(rng.normal(0, 1, (2000, 10)).astype(np.float32))
    labels = scores.argmax(axis=1)
    threshold = reject_threshold(scores, labels, accept=0.9)
    assert abs((scores.max(axis=1) >= threshold).mean() - 0.9) < 0.01
    assert reject_threshold(scores, (labels + 1) % 10) == 0.0


def test_what_is_no_digit_takes_no_more_digits_than_it_may():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (2000, 11)).astype(np.float32)
    labels = logits[:, :10].argmax(axis=1)
    logits[:, 10] += 2
    excess = none_excess(logits[:, :10], logits[:, 10:], labels, lose=0.01)
    assert excess > 1
    logits[:, 10] -= excess
    assert abs((logits[:, 10] > logits[:, :10].max(axis=1)).mean() - 0.01) < 0.002
    assert none_excess(logits[:, :10], logits[:, 10:] - 9, labels, lose=0.01) == 0.0
    assert none_excess(logits[:, :10], logits[:, 10:], (labels + 1) % 10) == 0.0


def test_a_temperature_lies_within_its_bounds_and_fits_the_labels_not_their_order():
    logits = np.array([[2, 0], [2, 0], [0, 2]], np.float32)
    assert fit_temperature(logits, np.array([0, 0, 1])) == 0.2, "always right: as sure as may be"
    assert fit_temperature(logits, np.array([1, 1, 0])) == 5.0, "always wrong: as unsure as may be"
    # right 3 times of 4, the best confidence is 0.75: exp(2 / t) / (exp(2 / t) + 1) = 0.75, t = 2 / ln 3
    best = fit_temperature(np.tile(logits[:1], (4, 1)), np.array([0, 0, 0, 1]))
    assert best == pytest.approx(2 / np.log(3), rel=0.014), "as near as the candidates lie"
    assert best == round(best, 4)


def test_one_answer_that_could_not_be_is_no_infinite_loss():
    logits = np.array([[100, 0], [100, 0]], np.float32)
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(5.0)


def test_the_threshold_is_the_least_of_those_accepted():
    scores = np.array([[c, 1 - c] for c in (0.6, 0.7, 0.8, 0.85, 0.95)], np.float32)
    labels = np.zeros(5, np.int64)
    assert reject_threshold(scores, labels, accept=1.0) == 0.6
    assert reject_threshold(scores, labels, accept=0.75) == 0.7
    assert reject_threshold(scores, labels, accept=0.0) == 0.9, "never more than that"
    labels[0] = 1
    assert reject_threshold(scores, labels, accept=1.0) == 0.7, "wrong answers don't count"
    assert reject_threshold(np.array([[0.123456, 0.1]], np.float32), labels[1:2]) == 0.1235
    assert reject_threshold(scores, labels) == pytest.approx(0.7006, abs=1e-6), "by default 99.8 % are accepted"


def test_what_is_taken_from_the_score_for_no_digit():
    digits = np.zeros((5, 10), np.float32)
    digits[:, 0] = 2
    none = np.array([[3], [4], [5], [6], [9]], np.float32)
    labels = np.array([0, 0, 0, 0, 7])
    assert none_excess(digits, none, labels, lose=0.0) == 4.0, "the one read wrong doesn't count"
    nines = np.roll(digits, 9, axis=1)  # the last digit is a digit, too
    assert none_excess(nines, none, np.full(5, 9), lose=0.0) == 7.0
    assert none_excess(digits, none, labels, lose=1.0) == 1.0
    twice = np.hstack([none, none]) - np.log(2)
    assert none_excess(digits, twice, labels, lose=0.0) == pytest.approx(4.0), "no digit and several add up"
    assert none_excess(digits, none, labels) == pytest.approx(4 - 0.003 * 3, abs=1e-5), "by default 0.3 % may be lost"


def test_the_calibration_error_by_hand():
    confidences = np.array([0.55, 0.65, 0.95, 0.95, 1.0])
    right = np.array([True, False, True, False, True])
    # two bins, [0, 0.5) is empty
    assert expected_calibration_error(confidences, right, bins=2) == pytest.approx(0.82 - 0.6)
    # ten bins: one image, one image, and three with a mean of 2.9 / 3
    by_hand = 0.2 * 0.45 + 0.2 * 0.65 + 0.6 * abs(2.9 / 3 - 2 / 3)
    assert expected_calibration_error(confidences, right, bins=10) == pytest.approx(by_hand)
    # 15 by default: 14 / 15 = 0.933 and 0.94 part, 0.925 and 0.93 don't
    pair = np.array([0.925, 0.94])
    assert expected_calibration_error(pair, np.array([True, False])) == pytest.approx((0.075 + 0.94) / 2)
    pair = np.array([0.87, 0.93])
    assert expected_calibration_error(pair, np.array([True, False])) == pytest.approx(0.4)
    # 0 and full confidence have their bins, and the gap is one of size, not of sign
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([True, False]), bins=5) == 1.0
    assert type(expected_calibration_error(pair, np.array([True, False]))) is float
