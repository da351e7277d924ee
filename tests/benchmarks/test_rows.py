import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.benchmarks.rows import BenchmarkRow, Latency, check_drop, compare
from edgits.errors import DataError, GateError

DIGITS = st.integers(0, 9)
ANSWERS = st.lists(st.tuples(DIGITS, DIGITS, DIGITS), min_size=1, max_size=200).map(lambda rows: np.array(rows).T)


def row(comparison=None, **changes):
    fields = {
        "model": "small-int8.tflite",
        "path": "export/small-int8.tflite",
        "format": "tflite-int8",
        "runtime": "litert",
        "version": "2.3.0",
        "threads": 1,
        "bytes": 61_000,
        "parameters": 50_000,
        "macs": 1_000_000,
        "n": 1000,
        "correct": 980,
        "latency": Latency(p50_us=50.0, p95_us=60.0, rounds_us=(49.0, 55.0), repeats=1000),
        "load_ms": 12.3456,
        "memory_mb": 64.0,
        "comparison": comparison,
    }
    return BenchmarkRow(**fields | changes)


@given(ANSWERS)
def test_drop_is_the_difference_of_accuracies(answers):
    found, reference, labels = answers
    compared = compare(found, reference, labels)
    assert compared.drop_pp == pytest.approx(100 * (np.mean(reference == labels) - np.mean(found == labels)))
    assert compared.drop_ci95[0] <= compared.drop_pp + 1e-9
    assert compared.drop_pp <= compared.drop_ci95[1] + 1e-9
    assert compared.flips == np.sum(found != reference)


def test_equal_answers_are_no_drop_and_no_flip():
    answers = np.arange(10)
    compared = compare(answers, answers, answers[::-1].copy())
    assert (compared.drop_pp, compared.flips, compared.p_value) == (0, 0, 1)


def test_a_flip_from_wrong_to_wrong_is_no_drop():
    labels = np.zeros(50, np.int64)
    compared = compare(labels + 1, labels + 2, labels)
    assert (compared.drop_pp, compared.flips, compared.p_value) == (0, 50, 1)


def test_json_is_flat_and_tells_the_reference():
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
    assert (value["p50_us"], value["rounds_us"]) == (50.0, [49.0, 55.0])


@pytest.mark.parametrize(("lost", "limit", "passes"), [(5, 0.5, True), (6, 0.5, False), (0, 0, True), (1, 0, False)])
def test_gate_holds_the_drop_to_its_limit(lost, limit, passes):
    labels = np.arange(1000) % 10
    worse = labels.copy()
    worse[:lost] += 1
    rows = [row(model="model.keras"), row(compare(worse, labels, labels))]
    if passes:
        check_drop(rows, limit)
        return
    with pytest.raises(GateError, match=rf"small-int8.tflite on litert lost {lost / 10:.2f} .* {limit:g} allowed"):
        check_drop(rows, limit)


def test_gate_lets_a_model_gain():
    labels = np.zeros(100, np.int64)
    check_drop([row(), row(compare(labels, labels + 1, labels))], 0)


def test_figures_that_cannot_be_are_refused():
    with pytest.raises(DataError, match="1001 of 1000"):
        row(correct=1001)
    with pytest.raises(DataError, match="latency"):
        Latency(p50_us=0.0, p95_us=1.0, rounds_us=(0.0, 0.0), repeats=10)
