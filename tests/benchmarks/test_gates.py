import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.benchmarks.baseline import data_json, load_baseline, regressions
from edgits.benchmarks.gates import Gates, LatencyLimit
from edgits.benchmarks.rows import compare
from edgits.dataset import Dataset
from edgits.errors import DataError, EdgitsError, GateError

LABELS = np.arange(1000) % 10
DATA = Dataset(np.zeros((1000, 28, 28), np.uint8), LABELS)
MACHINE = {"board": "Raspberry Pi 5", "cpu": "Cortex-A76", "architecture": "aarch64", "cores": 4}


def answers(lost):
    found = LABELS.copy()
    found[:lost] = (found[:lost] + 1) % 10
    return found


@pytest.mark.parametrize(("lost", "limit", "passes"), [(5, 0.5, True), (6, 0.5, False), (0, 0, True), (1, 0, False)])
def test_a_drop_is_held_to_its_limit(row, lost, limit, passes):
    rows = [row(model="model.keras"), row(compare(answers(lost), LABELS, LABELS))]
    failures = Gates(max_drop=limit).failures(rows)
    assert failures == (
        [] if passes else [f"small-int8.tflite on litert lost {lost / 10:.2f} points of accuracy, {limit:g} allowed"]
    )


def test_a_gain_is_no_drop_and_still_flips(row):
    rows = [row(), row(compare(LABELS, answers(100), LABELS))]
    assert Gates(max_drop=0).failures(rows) == []
    assert Gates(max_flips=100).failures(rows) == []
    assert Gates(max_flips=99).failures(rows) == [
        "small-int8.tflite on litert answers 100 images otherwise, 99 allowed"
    ]


def test_accuracy_is_held_for_the_reference_too(row):
    assert Gates(min_accuracy=0.98).failures([row()]) == []
    assert Gates(min_accuracy=0.981).failures([row()]) == [
        "small-int8.tflite on litert reads 98.00% right, 98.10% demanded"
    ]


def pair(row, slow, fast=50.0):
    mine = row(model="a-int8.tflite", path="x/a-int8.tflite", p50=float(np.median(slow)), rounds=slow)
    return [mine, row(model="a-float32.tflite", path="x/a-float32.tflite", p50=fast)]


@pytest.mark.parametrize(
    ("slow", "limit", "passes"),
    [
        ([60.0] * 10, "a-int8:a-float32=1.3", True),
        ([60.0] * 10, "a-int8:a-float32=1.1", False),
        ([60.0] * 10, "a-int8.tflite:x/a-float32.tflite", False),
        ([60.0] * 10, "a-float32:a-int8", True),
        ([40.0, 45, 50, 55, 60, 65, 70, 75, 80, 85], "a-int8:a-float32=1.1", True),  # noise covers it
    ],
)
def test_a_latency_is_held_where_noise_does_not_cover_it(row, slow, limit, passes):
    failures = Gates(latency=(LatencyLimit.parse(limit),)).failures(pair(row, slow))
    assert bool(failures) != passes
    if failures:
        assert (
            "a-int8.tflite on litert takes 1.20 (1.20–1.20) times as long as a-float32.tflite on litert" in failures[0]
        )


def test_latencies_are_compared_in_the_same_runtime_and_threads(row):
    slow = row(model="a.tflite", path="a.tflite", threads=1, p50=100.0)
    same = row(model="b.tflite", path="b.tflite", threads=1, p50=100.0)
    fast = row(model="b.tflite", path="b.tflite", threads=4, p50=20.0)
    assert Gates(latency=(LatencyLimit("a", "b"),)).failures([slow, same, fast]) == []
    assert len(Gates(latency=(LatencyLimit("a", "b"),)).failures([slow, fast])) == 1


@given(st.text(max_size=20))
def test_a_limit_is_read_or_refused(text):
    try:
        limit = LatencyLimit.parse(text)
    except DataError:
        return
    assert limit.model
    assert limit.other
    assert 0 < limit.most < float("inf")


@pytest.mark.parametrize("text", ["", "a", ":", "a:", ":b", "a:b=0", "a:b=-1", "a:b=x", "a:b=inf", "a:b=nan"])
def test_half_a_limit_is_refused(text):
    with pytest.raises(DataError, match="MODEL:MODEL=RATIO"):
        LatencyLimit.parse(text)


def baseline(tmp_path, rows, found, machine=MACHINE):
    value = {
        "rows": [each.to_json() | {"wrong": np.flatnonzero(found != LABELS).tolist()} for each in rows],
        "machine": machine,
        "data": data_json(DATA),
    }
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(value))
    return path


def outcome(rows, found):
    class Outcome:
        pass

    result = Outcome()
    result.rows, result.answers, result.data = rows, [found] * len(rows), DATA
    return result


def test_the_same_again_is_no_regression(row, tmp_path):
    earlier = load_baseline(baseline(tmp_path, [row()], answers(20)), MACHINE)
    noisy = row(p50=54.0, rounds=[54.0] * 10, cost={"memory_mb": 66.0})
    Gates().check(outcome([noisy], answers(20)), earlier)
    # two images lost, one gained: the coin's work
    other = answers(22)
    other[0] = LABELS[0]
    Gates().check(outcome([row(correct=979)], other), earlier)


@pytest.mark.parametrize(
    ("changes", "lost", "says"),
    [
        ({"correct": 970}, 30, "reads 97.00% right, 98.00% in the baseline (p 0.002)"),
        ({"p50": 56.0}, 20, "takes 56.0 µs, 50.0 in the baseline"),
        ({"bytes": 70_000}, 20, "has 70,000 bytes, 61,000 in the baseline"),
        ({"cost": {"memory_mb": 80.0}}, 20, "takes 80 MB of memory, 64 in the baseline"),
    ],
)
def test_what_is_worse_beyond_noise_is_named(row, tmp_path, changes, lost, says):
    earlier = load_baseline(baseline(tmp_path, [row()], answers(20)), MACHINE)
    with pytest.raises(GateError) as error:
        Gates().check(outcome([row(**changes)], answers(lost)), earlier)
    assert str(error.value) == f"small-int8.tflite on litert {says}"


def test_rounds_that_overlap_are_no_slowdown(row, tmp_path):
    earlier = load_baseline(baseline(tmp_path, [row(rounds=[45.0] * 5 + [70.0] * 5)], answers(0)), MACHINE)
    assert regressions([row(p50=65.0)], [answers(0)], DATA, earlier) == []


def test_other_images_are_compared_by_intervals(row, tmp_path):
    earlier = load_baseline(baseline(tmp_path, [row()], answers(20)), MACHINE)
    others = Dataset(DATA.images + 1, LABELS)
    assert regressions([row(correct=975)], [answers(25)], others, earlier) == []
    assert "on other images" in regressions([row(correct=950)], [answers(50)], others, earlier)[0]


def test_another_machine_is_refused(row, tmp_path):
    path = baseline(tmp_path, [row()], answers(0), MACHINE | {"board": "Raspberry Pi 4"})
    with pytest.raises(DataError, match="board was Raspberry Pi 4, is Raspberry Pi 5"):
        load_baseline(path, MACHINE)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": [{}], "machine": {}}', '{"rows": 1, "machine": 2}'])
def test_what_is_no_baseline_is_said(tmp_path, text):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(EdgitsError, match="is no baseline"):
        load_baseline(tmp_path / "b.json", MACHINE)


def test_a_baseline_of_other_models_is_no_baseline(row, tmp_path):
    earlier = load_baseline(baseline(tmp_path, [row()], answers(0)), MACHINE)
    with pytest.raises(DataError, match="no model of the baseline"):
        regressions([row(model="other.tflite")], [answers(0)], DATA, earlier)


def test_a_benchmark_is_its_own_baseline(edgits, run_folder, tmp_path):
    quick = ("--repeat", "30", "--runtime", "litert", "--json")
    lite = run_folder / "export" / "ridge-int8.tflite"
    code, out, err = edgits("benchmark", lite, *quick)
    assert code == 0, err
    (tmp_path / "then.json").write_text(out)
    value = json.loads(out)
    code, _, err = edgits("benchmark", lite, *quick, "--baseline", tmp_path / "then.json")
    assert (code == 0) or "takes" in err, err  # a busy machine may be slower, and nothing else is worse
    value["rows"][0]["wrong"] = []
    value["rows"][0]["accuracy"] = 1.0
    (tmp_path / "better.json").write_text(json.dumps(value))
    code, _, err = edgits("benchmark", lite, *quick, "--baseline", tmp_path / "better.json")
    assert code == 1
    assert "100.00% in the baseline" in err
