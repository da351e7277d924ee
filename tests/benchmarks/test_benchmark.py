import json
import shutil
import sys

import numpy as np
import pytest

from edgits.benchmarks import children
from edgits.benchmarks.children import Job
from edgits.benchmarks.choose import choose_data, choose_jobs, choose_models
from edgits.benchmarks.measure import ROUNDS, Plan, _short_names, _time, measure
from edgits.errors import DataError, MissingExtraError, ModelError

QUICKLY = Plan(repeats=10, batch=4)
QUICK = ("--repeat", "30", "--runtime", "litert", "--runtime", "onnxruntime")


@pytest.fixture(scope="session")
def lite(run_folder):
    return run_folder / "export" / "ridge-float32.tflite"


def test_run_folder_gives_a_row_for_every_file_with_keras_as_reference(edgits, run_folder):
    code, out, err = edgits("benchmark", run_folder, "--repeat", "30", "--json")
    assert code == 0, err
    value = json.loads(out)
    assert {"rows", "machine", "data", "explanations"} <= set(value)
    rows = value["rows"]
    names = ["model.keras", "ridge-float32.tflite", "ridge-int8.tflite", "ridge-float32.onnx"]
    assert list(dict.fromkeys(row["model"] for row in rows)) == names
    keras, float32, int8, onnx = (next(row for row in rows if row["model"] == name) for name in names)
    assert keras["reference"]
    assert keras["n"] == 300
    assert keras["accuracy"] > 0.75
    for same in (float32, onnx):
        assert (same["correct"], same["flips"], same["drop_pp"], same["p_value"]) == (keras["correct"], 0, 0, 1)
    assert abs(int8["drop_pp"]) <= 3
    assert int8["bytes"] < float32["bytes"]
    for row in rows:
        assert 0 < min(row["rounds_us"]) <= row["p50_us"] <= row["p90_us"] <= row["p95_us"] <= row["p99_us"]
        assert row["call_us"] >= row["p50_us"] * 0.9
        assert (len(row["rounds_us"]), row["batch"]) == (ROUNDS, 32)
        assert row["images_per_s"] > 0
        assert row["first_ms"] > 0
        assert row["energy_mj"] is None or row["energy_mj"] > 0
        assert row["repeats"] == 30
        assert row["memory_mb"] > 20
        assert (row["parameters"], row["macs"]) == (7850, 7840)
    assert keras["memory_mb"] > 3 * float32["memory_mb"], "TensorFlow's memory must not count for LiteRT's row"
    machine = value["machine"]
    assert machine["before"]["load"] >= 0
    assert machine["packages"]["ai-edge-litert"] == float32["version"]


def test_accuracy_is_that_of_the_model_itself(run_folder, digits, ridge, lite):
    held = digits.take(np.arange(300))
    answers = (held.images.reshape(300, -1) / 255.0 @ ridge[0] + ridge[1]).argmax(axis=1)
    outcome = measure([Job(lite, "litert")], choose_data([str(run_folder)], None), QUICKLY)
    assert outcome.rows[0].correct == np.sum(answers == held.labels)


def test_table_fits_100_columns_and_says_what_was_measured(edgits, run_folder, lite):
    code, out, err = edgits("benchmark", lite, run_folder, *QUICK)
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 100
    assert "…" not in out
    for word in ("ridge-int8.tflite", "ridge-float32.onnx", "onnxruntime, 1 thread", "7,850 parameters", "Python"):
        assert word in out


def test_gate_fails_with_1_and_names_model_and_figure(edgits, make_run, lite):
    def blind(weights, bias):
        """Takes the upper half of the image away."""
        seen = weights.copy()
        seen[: 28 * 14] = 0
        return seen, bias

    worse = make_run(blind, ["tflite-float32"]) / "export" / "ridge-float32.tflite"
    arguments = ("benchmark", worse, "--reference", lite, *QUICK, "--json")
    code, out, err = edgits(*arguments, "--max-drop", "0.5", "--min-accuracy", "99", "--max-flips", "3")
    reference, row = json.loads(out)["rows"]
    assert row["drop_pp"] > 5
    assert row["verdict"] == "worse"
    assert (code, reference["reference"]) == (1, True)
    name = f"{row['model']} on litert"
    assert name.startswith(f"{worse.parents[1].name}/export/"), "files of the same name are told apart by their folders"
    assert err.strip() == (
        f"edgits: gate failed: {reference['model']} on litert reads {reference['accuracy']:.2%} right, "
        "99.00% demanded; "
        f"{name} lost {row['drop_pp']:.2f} points of accuracy, 0.5 allowed; "
        f"{name} answers {row['flips']} images otherwise, 3 allowed; "
        f"{name} reads {row['accuracy']:.2%} right, 99.00% demanded"
    )
    assert edgits(*arguments, "--max-drop", "99", "--min-accuracy", "1", "--max-flips", "300")[0] == 0


@pytest.mark.parametrize(("n", "verdict"), [(10_000, "worse"), (200, "not told apart")])
def test_half_a_point_is_found_in_10000_images_and_not_claimed_of_200(
    edgits, make_run, digits, ridge, tmp_path, n, verdict
):
    """The damaged model takes a mark in the corner for a 0; one image in 200 that was read right has the mark."""

    def blind_to_the_mark(weights, bias):
        return np.concatenate([np.zeros((1, 10)), weights[1:]]), bias

    def fooled_by_the_mark(weights, bias):
        return np.concatenate([[[99.0] + [0.0] * 9], weights[1:]]), bias

    whole, damaged = (
        make_run(damage, ["tflite-float32"]) / "export" / "ridge-float32.tflite"
        for damage in (blind_to_the_mark, fooled_by_the_mark)
    )
    images, labels = (np.resize(part, (n, *part.shape[1:])).copy() for part in (digits.images, digits.labels))
    images[:, 0, 0] = 0
    right = (images.reshape(n, -1) / 255.0 @ ridge[0] + ridge[1]).argmax(axis=1) == labels
    images[np.flatnonzero(right & (labels > 0))[: n // 200], 0, 0] = 255
    np.savez(tmp_path / "marked.npz", images=images, labels=labels)
    code, out, err = edgits(
        "benchmark", damaged, "--reference", whole, "--data", tmp_path / "marked.npz", "--repeat", "30", "--json"
    )
    assert code == 0, err
    row = json.loads(out)["rows"][1]
    assert (row["n"], row["flips"], row["drop_pp"], row["verdict"]) == (n, n // 200, 0.5, verdict)


def test_a_model_against_itself_shows_no_difference(edgits, lite, run_folder, tmp_path):
    same = shutil.copy(lite, tmp_path / "same.tflite")
    shutil.copy(f"{lite}.card.json", f"{same}.card.json")
    gates = ("--max-drop", "0", "--max-flips", "0")
    code, out, err = edgits(
        "benchmark", same, "--reference", lite, "--data", run_folder / "test.npz", *QUICK, *gates, "--json"
    )
    assert code == 0, err
    reference, row = json.loads(out)["rows"]
    assert (row["drop_pp"], row["flips"], row["p_value"], row["verdict"]) == (0, 0, 1, "same answers")
    assert reference["wrong"] == row["wrong"]
    assert json.loads(out)["explanations"] == []


def test_a_model_quantized_with_wrong_calibration_fails_the_gate(edgits, run_folder, digits, ridge, tmp_path):
    """Its ranges are those of images that are ten times too dark."""
    from edgits.export.recipes import RECIPES
    from edgits.export.tflite import convert
    from edgits.quiet import quiet

    with quiet():
        import keras

        model = keras.models.load_model(run_folder / "model.keras")
        dark = digits.images[-100:, ..., None].astype(np.float32) / 2550
        convert(model, RECIPES["tflite-int8"].options, dark, tmp_path / "dark.tflite")
    reference = run_folder / "export" / "ridge-float32.tflite"
    arguments = ("--reference", reference, "--data", run_folder / "test.npz", "--max-drop", "1")
    code, _, err = edgits("benchmark", tmp_path / "dark.tflite", *arguments, *QUICK)
    assert code == 1
    assert "gate failed: dark.tflite on litert lost" in err
    good = run_folder / "export" / "ridge-int8.tflite"
    assert edgits("benchmark", good, *arguments[:4], "--max-drop", "3", *QUICK)[0] == 0


def test_the_shortest_names_that_tell_files_apart():
    from pathlib import Path

    a, b, c = Path("/x/one/m.tflite"), Path("/x/two/m.tflite"), Path("/x/n.tflite")
    assert _short_names([a, c]) == {a: "m.tflite", c: "n.tflite"}
    assert _short_names([a, b, a]) == {a: "one/m.tflite", b: "two/m.tflite"}


def test_anybodys_model_needs_no_card(edgits, lite, run_folder, tmp_path):
    alone = shutil.copy(lite, tmp_path / "found.tflite")
    code, out, err = edgits("benchmark", alone, "--data", run_folder / "test.npz", "--json", *QUICK)
    assert code == 0, err
    (row,) = json.loads(out)["rows"]
    assert (row["format"], row["parameters"], row["macs"]) == ("tflite", 7850, 7840)
    assert row["accuracy"] > 0.75
    assert "pixels 0 to 1" in json.loads(out)["conventions"]["found.tflite"]


def test_threads_are_rows_of_their_own(edgits, lite):
    code, out, err = edgits("benchmark", lite, "--threads", "1", "--threads", "2", "--threads", "1", "--json", *QUICK)
    assert code == 0, err
    assert [row["threads"] for row in json.loads(out)["rows"]] == [1, 2]


def test_the_reference_is_measured_whatever_runtime_is_asked_for(run_folder):
    models = choose_models([str(run_folder)], None)
    jobs, _ = choose_jobs(models, ["litert"], [1])
    assert [(job.model.name, job.runtime) for job in jobs] == [
        ("model.keras", "keras"),
        ("ridge-float32.tflite", "litert"),
        ("ridge-int8.tflite", "litert"),
    ]


def test_a_model_named_twice_is_measured_once(run_folder, lite):
    assert choose_models([str(lite), str(lite)], str(lite)) == [lite]


def test_rows_are_timed_in_turn_in_both_directions():
    asked = []

    class Child:
        def __init__(self, name):
            self.name = name

        def ask(self, what, *, repeats, **_):
            asked.append((what, self.name))
            return {"us": [1.0] * repeats, "call_us": [2.0] * repeats}

    class Inputs:
        def file(self, child):
            return ""

    times = _time([Child("a"), Child("b")], Inputs(), Plan(repeats=25, batch=4), lambda _: None)
    assert [name for what, name in asked if what == "time"][:6] == ["a", "b", "b", "a", "a", "b"]
    assert [name for what, name in asked if what == "throughput"][:4] == ["a", "b", "b", "a"]
    assert [sum(map(len, each.rounds)) for each in times] == [25, 25]
    assert [len(each.rounds) for each in times] == [ROUNDS, ROUNDS]


def test_a_runtime_that_crashes_is_named(monkeypatch, lite, digits):
    crash = "import os, sys; print('bad luck', file=sys.stderr, flush=True); os.abort()"
    monkeypatch.setattr(children, "_WORKER", (sys.executable, "-c", crash))
    with pytest.raises(ModelError, match=r"litert crashed on '.*ridge-float32.tflite' \(exit code -6: bad luck\)"):
        measure([Job(lite, "litert")], digits.take(np.arange(5)), QUICKLY)


def test_a_runtime_that_does_not_work_is_left_out_unless_it_was_asked_for(monkeypatch, lite, digits):
    images = digits.take(np.arange(5))
    broken = (
        "import json; input(); print(json.dumps({'error': 'needs numpy < 2', 'missing': True}), flush=True); input()"
    )
    real = children._started

    def child(job):
        monkeypatch.setattr(
            children, "_WORKER", (sys.executable, "-c", broken) if job.runtime == "tflite-runtime" else worker
        )
        return real(job)

    worker = children._WORKER
    monkeypatch.setattr(children, "_started", child)
    jobs = [Job(lite, "tflite-runtime", optional=True), Job(lite, "litert", optional=True)]
    outcome = measure(jobs, images, QUICKLY)
    assert [row.runtime for row in outcome.rows] == ["litert"]
    assert outcome.left_out == ["ridge-float32.tflite in tflite-runtime: needs numpy < 2"]
    with pytest.raises(MissingExtraError, match="numpy < 2"):
        measure([Job(lite, "tflite-runtime"), *jobs[1:]], images, QUICKLY)


def test_no_images_is_said_before_anything_runs(lite, tmp_path):
    alone = shutil.copy(lite, tmp_path / "found.tflite")
    with pytest.raises(DataError, match="--data"):
        choose_data([str(alone)], None)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[: len(data) // 2], "isn't the file its card was written for"),
        (lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:], "isn't the file its card was written for"),
        (lambda data: b"", "no .tflite, .onnx or .keras model"),
    ],
)
def test_damaged_files_are_refused(edgits, lite, run_folder, tmp_path, damage, says):
    bad = tmp_path / lite.name
    bad.write_bytes(damage(lite.read_bytes()))
    shutil.copy(lite.with_name(lite.name + ".card.json"), tmp_path)
    code, out, err = edgits("benchmark", bad, "--data", run_folder / "test.npz")
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "there is no model 'nowhere'"),
        (["LITE", "--max-drop", "1", "--runtime", "litert"], "needs two models"),
        (["LITE", "--max-latency-ratio", "LITE:LITE", "--runtime", "litert"], "needs two models"),
        (["LITE", "--max-latency-ratio", "other:LITE"], "names 'other'"),
        (["LITE", "--max-latency-ratio", "LITE"], "MODEL:MODEL=RATIO"),
        (["LITE", "--min-accuracy", "101"], "--min-accuracy"),
        (["LITE", "--sustain", "soon"], "'soon' is no time"),
        (["LITE", "--sustain", "0s"], "'0s' is no time"),
        (["LITE", "--batch", "0"], "--batch"),
        (["LITE", "--baseline", "nowhere.json"], "is no baseline"),
        (["LITE", "--max-drop", "-1"], "-1"),
        (["LITE", "--repeat", "0"], "--repeat"),
        (["LITE", "--runtime", "magic"], "magic"),
        (["LITE", "--data", "nowhere"], "there is no data 'nowhere'"),
        (["EMPTY"], "holds no exported models"),
    ],
)
def test_wrong_usage_exits_with_2(edgits, lite, tmp_path, arguments, says):
    real = {"LITE": str(lite), "EMPTY": str(tmp_path)}
    given = [argument.replace("LITE", real["LITE"]).replace("EMPTY", real["EMPTY"]) for argument in arguments]
    code, out, err = edgits("benchmark", *given)
    assert (code, out) == (2, "")
    assert says in err
