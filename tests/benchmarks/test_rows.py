import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.benchmarks.rows import Latency, compare
from edgits.errors import DataError
from edgits.stats import paired_difference

DIGITS = st.integers(0, 9)
PERCENTILES = ("p50_us", "p90_us", "p95_us", "p99_us")
ANSWERS = st.lists(st.tuples(DIGITS, DIGITS, DIGITS), min_size=1, max_size=200).map(lambda rows: np.array(rows).T)


@given(ANSWERS)
def test_drop_is_the_difference_of_accuracies(answers):
    found, reference, labels = answers
    compared = compare(found, reference, labels)
    assert compared.drop_pp == pytest.approx(100 * (np.mean(reference == labels) - np.mean(found == labels)))
    assert compared.drop_ci95[0] <= compared.drop_pp + 1e-9
    assert compared.drop_pp <= compared.drop_ci95[1] + 1e-9
    assert compared.flips == np.sum(found != reference)


def test_the_interval_is_in_percentage_points():
    labels = np.zeros(100, np.int64)
    found = labels.copy()
    found[:12] = 1
    low, high = paired_difference(12, 0, 100)
    assert compare(found, labels, labels).drop_ci95 == pytest.approx((100 * low, 100 * high))


def test_equal_answers_are_no_drop_and_no_flip():
    answers = np.arange(10)
    compared = compare(answers, answers, answers[::-1].copy())
    assert (compared.drop_pp, compared.flips, compared.p_value) == (0, 0, 1)


def test_a_flip_from_wrong_to_wrong_is_no_drop():
    labels = np.zeros(50, np.int64)
    compared = compare(labels + 1, labels + 2, labels)
    assert (compared.drop_pp, compared.flips, compared.p_value) == (0, 50, 1)


def test_json_is_flat_and_tells_the_reference(row):
    labels = np.arange(1000) % 10
    worse = labels.copy()
    worse[:20] += 1
    reference = row().to_json()
    assert reference["reference"] is True
    assert reference["drop_pp"] is reference["flips"] is None
    value = json.loads(json.dumps(row(compare(worse, labels, labels)).to_json()))
    assert set(value) == set(reference)
    assert value["reference"] is False
    assert (value["drop_pp"], value["flips"], value["accuracy"], value["bytes"]) == (2.0, 20, 0.98, 61_000)
    assert value["ci95"][0] < 0.98 < value["ci95"][1]
    assert (value["p50_us"], value["rounds_us"], value["images_per_s"]) == (50.0, [50.0] * 10, 30_000)


@pytest.mark.parametrize(("n", "verdict"), [(10_000, "worse"), (200, "not told apart")])
def test_half_a_point_is_claimed_only_where_the_images_show_it(n, verdict):
    """A model that loses a point and gains half a point, beside one that reads 97 % right."""
    labels = np.arange(n) % 10
    reference = np.where(np.arange(n) % 100 < 3, (labels + 1) % 10, labels)
    worse = reference.copy()
    worse[50 : 50 + n // 100] = (labels[50 : 50 + n // 100] + 1) % 10
    gained = np.flatnonzero(reference != labels)[-n // 200 :]
    worse[gained] = labels[gained]
    lost = int(((reference == labels) & (worse != labels)).sum())
    compared = compare(worse, reference, labels)
    assert compared.drop_pp == pytest.approx(100 * (lost - len(gained)) / n)
    assert 0.4 < compared.drop_pp < 0.6
    assert compared.verdict == verdict


def test_the_verdict_names_the_direction():
    labels = np.arange(1000) % 10
    other = labels.copy()
    other[:20] += 1
    assert compare(other, labels, labels).verdict == "worse"
    assert compare(labels, other, labels).verdict == "better"
    assert compare(labels, labels, labels).verdict == "same answers"


def test_latency_is_made_of_rounds():
    took = Latency.of([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]], [5.0, 6.0, 7.0])
    assert took.rounds_us == (2.0, 20.0)
    assert (took.p50_us, took.call_us, took.repeats) == (6.5, 6.0, 6)


def test_figures_that_cannot_be_are_refused(row):
    with pytest.raises(DataError, match="1001 of 1000"):
        row(correct=1001)
    for figures in ((0.0, 1.0, 1.0, 1.0), (2.0, 1.0, 3.0, 4.0)):
        with pytest.raises(DataError, match="latency"):
            Latency(**dict(zip(PERCENTILES, figures, strict=True)), rounds_us=(1.0,), call_us=1.0, repeats=10)
