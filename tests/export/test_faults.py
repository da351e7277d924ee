"""What must not happen: a wrong file that looks good, a stale one, half of one, a traceback."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgits.card import NONE_LABEL, REFUSALS, TensorSpec, card_path
from edgits.cli import cli
from edgits.dataset import DIGITS
from edgits.edge import apart
from edgits.edge.recognizer import Recognizer
from edgits.errors import CheckError, DataError, EdgitsError, MissingExtraError, ModelError, OutputError
from edgits.export import check, exporter, tflite
from edgits.export.exporter import export, read_checks
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES, select
from edgits.export.source import load_source


def models_in(folder: Path) -> list[str]:
    """Names of everything that looks like a model or a card, hidden leftovers included."""
    return sorted(path.name for path in folder.rglob("*") if path.name != "checks.json")


def export_folder(run: Path, names, out: Path):
    return export(load_source(run), select(names), out)


def convert_wrongly(monkeypatch, change) -> None:
    """Lets the converter work on a model that `change` damaged, as a bad conversion would."""
    import keras

    right = tflite.convert

    def convert(model, options, calibration, path):
        clone = keras.models.clone_model(model)
        weights, calibration = change([value.copy() for value in model.get_weights()], calibration)
        clone.set_weights(weights)
        right(clone, options, calibration, path)

    monkeypatch.setattr(tflite, "convert", convert)


def zero_last_layer(weights, calibration):
    return [*weights[:-2], np.zeros_like(weights[-2]), np.zeros_like(weights[-1])], calibration


def not_a_number(weights, calibration):
    return [np.full_like(weights[0], np.nan), *weights[1:]], calibration


def wrong_range(weights, calibration):
    return weights, calibration * 255


@pytest.mark.parametrize(
    ("name", "change", "figure"),
    [
        ("tflite-float32", zero_last_layer, r"\d+ of 800 answers differ from Keras, 0 allowed"),
        ("tflite-int8", zero_last_layer, r"\d+ of 800 answers differ from Keras, 24 allowed"),
        ("tflite-float32", not_a_number, r"NaN or infinity on 800 of 800 images"),
        ("tflite-int8", wrong_range, r"\d+ of 800 answers differ from Keras"),
    ],
)
def test_wrong_conversion_is_named_and_not_kept(source, tmp_path, monkeypatch, name, change, figure):
    stale = tmp_path / RECIPES[name].file_name("tiny")
    for path in (stale, card_path(stale)):
        path.write_text("from an earlier export")
    convert_wrongly(monkeypatch, change)
    with pytest.raises(CheckError, match=rf"{name} on litert [\d.]+: .*{figure}"):
        export(source, select([name]), tmp_path)
    assert models_in(tmp_path) == []
    assert read_checks(tmp_path / "checks.json")[0]["problem"]


def test_other_formats_are_kept_when_one_fails(source, tmp_path, monkeypatch):
    convert_wrongly(monkeypatch, zero_last_layer)
    done = []
    with pytest.raises(CheckError, match="tflite-float32"):
        export(source, select(["tflite-float32", "onnx-float32"]), tmp_path, on_done=done.append)
    assert models_in(tmp_path) == ["tiny-float32.onnx", "tiny-float32.onnx.card.json"]
    assert [bool(result.problem) for result in done] == [True, False]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda weights: [np.full_like(weights[0], np.nan), *weights[1:]], "itself answers NaN or infinity on 800"),
        (lambda weights: [np.zeros_like(value) for value in weights], "itself reads .* no more than always naming"),
    ],
)
def test_broken_keras_model_is_not_exported(broken_run, damage, message):
    run = broken_run(damage)
    with pytest.raises(CheckError, match=message):
        export_folder(run, ["default"], run / "export")
    assert models_in(run / "export") == []


def test_small_drift_is_found_by_the_largest_difference(source):
    recipe = RECIPES["tflite-float32"]
    images, labels = source.card.normalization.batch(source.test.images[:50]), source.test.labels[:50]
    with quiet():
        reference = check.make_reference(source.runtime, source.card, images, labels)
        scores = source.runtime.run(images)
    assert check.compare("x", "1", scores, recipe, source.card, reference).problem == ""
    found = check.compare("x", "1", scores * np.float32(1.05), recipe, source.card, reference)
    assert found.flips == 0
    assert "a probability differs by" in found.problem


def test_loss_of_accuracy_within_the_flips_is_found(source):
    recipe = RECIPES["tflite-int8"]
    labels = np.arange(400) % 10
    right = np.eye(10, dtype=np.float32)[labels] * 0.6
    answers = check.read_scores(right, source.card)
    reference = check.Reference(np.zeros((400, 28, 28, 1), np.float32), labels, answers)
    wrong = right.copy()
    wrong[:8] = np.roll(right[:8], 1, axis=1)
    found = check.compare("x", "1", wrong, recipe, source.card, reference)
    assert found.flips == 8 <= recipe.limits.allowed(recipe.limits.flips, 400)
    assert "accuracy fell from 100.00% to 98.00%" in found.problem


def test_digits_that_become_none_are_found_and_are_no_flips(source):
    recipe = RECIPES["tflite-int8"]
    card = replace(source.card, labels=(*source.card.labels, NONE_LABEL), output=TensorSpec((11,)))
    labels = np.arange(200) % 10
    scores = np.eye(11, dtype=np.float32)[labels]
    reference = check.Reference(np.zeros((200, 28, 28, 1), np.float32), labels, check.read_scores(scores, card))
    changed = scores.copy()
    changed[:6, 10] = 1.1
    assert check.compare("x", "1", changed, recipe, card, reference).problem == ""
    changed[:7, 10] = 1.1
    found = check.compare("x", "1", changed, recipe, card, reference)
    assert (found.flips, found.rejections, found.accuracy) == (0, 7, 1.0)
    assert "7 of 200 images are rejected by one of it and Keras alone, 6 allowed" in found.problem


def test_no_digit_and_several_together_refuse(source):
    card = replace(source.card, labels=(*DIGITS, *REFUSALS), output=TensorSpec((12,)), scores="probabilities")
    chances = np.array([[0.4, *[0] * 9, 0.3, 0.3], [0.4, *[0] * 9, 0.1, 0.2]], np.float32)
    answers = check.read_scores(chances, card)
    assert answers.digits.tolist() == [0, 0]
    assert answers.rejected.tolist() == [True, False]


def test_converter_failure_is_one_line(source, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("something deep\n  inside")

    monkeypatch.setattr(tflite, "convert", fail)
    with pytest.raises(CheckError, match="tflite-int8: the converter failed: RuntimeError: something deep inside"):
        export(source, select(["tflite-int8"]), tmp_path)
    assert models_in(tmp_path) == []


def test_interrupted_export_leaves_nothing_half_written(source, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "check_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(source, select(["onnx-float32"]), tmp_path)
    assert models_in(tmp_path) == []


def test_runtime_in_a_process_of_its_own_answers_the_same(exports, source):
    path = exports["tflite-float32"].path
    images = source.card.normalization.batch(source.test.images[:9])
    with quiet():
        expected = source.runtime.run(images)
    version, parts = apart.run_apart(path, "litert", [images[:1], images[1:]])
    assert version
    assert np.abs(np.concatenate(parts) - expected).max() < 1e-3


def test_runtime_in_a_process_of_its_own_reports_its_failures(exports, tmp_path):
    images = np.zeros((1, 28, 28, 1), np.float32)
    damaged = tmp_path / "cut.tflite"
    damaged.write_bytes(exports["tflite-float32"].path.read_bytes()[:3000])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        apart.run_apart(damaged, "litert", [images])
    with pytest.raises(CheckError, match="litert stopped with exit code 1"):
        apart.run_apart(exports["tflite-float32"].path, "litert", [images[:, :5]])


def test_runtime_that_does_not_work_is_said_and_passed_over(exports, source, monkeypatch):
    with quiet():
        images = source.card.normalization.batch(source.test.images[:50])
        reference = check.make_reference(source.runtime, source.card, images, source.test.labels[:50])
    path, recipe = exports["tflite-float32"].path, RECIPES["tflite-float32"]

    def broken(*_):
        raise MissingExtraError("needs numpy < 2")

    monkeypatch.setattr(check, "runtimes_for", lambda _: ["litert", "tflite-runtime"])
    monkeypatch.setattr(check, "run_apart", broken)
    checks, left_out = check.check_file(path, recipe, source.card, reference)
    assert [result.runtime for result in checks] == ["litert"]
    assert left_out == ["tflite-runtime: needs numpy < 2"]
    monkeypatch.setattr(check, "runtimes_for", lambda _: ["tflite-runtime"])
    with pytest.raises(CheckError, match="no runtime can check it"):
        check.check_file(path, recipe, source.card, reference)


# What follows is bad input at the command line.


def refused(arguments, kind: type[EdgitsError]) -> str:
    result = CliRunner().invoke(cli, ["export", *map(str, arguments)])
    assert isinstance(result.exception, kind), result.exception
    message = str(result.exception)
    assert "\n" not in message
    return message


def test_run_without_a_model(tmp_path):
    assert "a folder without model.keras" in refused([tmp_path], ModelError)
    assert "no such file or folder" in refused([tmp_path / "none"], ModelError)
    assert list(tmp_path.iterdir()) == []


def test_unknown_format(run_folder):
    message = refused([run_folder, "--format", "tflite-int9"], ModelError)
    assert "no format 'tflite-int9'; choose tflite-float32" in message


def test_unwritable_out(copied_run, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is no folder" in refused([copied_run, "--out", tmp_path / "file" / "deep"], OutputError)


def test_place_taken_by_a_folder(source, tmp_path):
    (tmp_path / "tiny-float32.onnx").mkdir()
    with pytest.raises(OutputError, match=r"can't replace '.*tiny-float32\.onnx'"):
        export(source, select(["onnx-float32"]), tmp_path)


def test_missing_extra_is_said_before_the_work(copied_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert "pip install 'edgits[onnx]'" in refused([copied_run], MissingExtraError)
    assert not (copied_run / "export").exists()
    exporter.require_converters(select(["tflite-int8"]))


def test_run_without_images(copied_run):
    (copied_run / "test.npz").unlink()
    assert "test.npz' is missing" in refused([copied_run], DataError)
    assert not (copied_run / "export").exists()


def test_exported_file_is_no_source(exports):
    assert "is already exported" in refused([exports["onnx-float32"].path], ModelError)


def test_exchanged_keras_model(copied_run):
    path = card_path(copied_run / "model.keras")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0" * 64}))
    assert "isn't the file its card was written for" in refused([copied_run], ModelError)


def test_another_backend(copied_run, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "KERAS_BACKEND is 'jax'" in refused([copied_run], EdgitsError)


def test_command_prints_a_table_and_no_chatter(copied_run, capfd):
    result = CliRunner().invoke(cli, ["export", str(copied_run), "--format", "onnx-float32", "--format", "onnx-int8"])
    assert result.exit_code == 0, result.exception
    assert "onnx-float32" in result.output
    assert "2 formats, each with its card, in" in result.output
    assert "tensorflow" not in result.output.lower()
    assert capfd.readouterr() == ("", "")
    assert len(models_in(copied_run / "export")) == 4


@pytest.mark.parametrize("name", ["tflite-int8", "onnx-float32"])
def test_damaged_files_are_refused(exports, tmp_path, name):
    original = exports[name].path
    path = tmp_path / original.name
    shutil.copy(card_path(original), card_path(path))
    data = original.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    for damaged in (data[: len(data) // 2], bytes(flipped), b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelError):
            Recognizer.load(path)
    path.write_bytes(data)
    assert Recognizer.load(path).card.format == name


def test_onnx_named_tflite_is_refused(exports, tmp_path):
    path = tmp_path / "model.tflite"
    shutil.copy(exports["onnx-float32"].path, path)
    with pytest.raises(ModelError, match="its suffix says tflite"):
        Recognizer.load(path, trust=True)
