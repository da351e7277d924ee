"""Planted faults: each must be found and named, and a good file must be verified."""

import importlib
import json
import shutil
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgits.card import card_path
from edgits.edge import apart
from edgits.errors import DataError, ModelError
from edgits.export import tflite
from edgits.export.check import Check
from edgits.export.faults import Evidence, answer_faults
from edgits.export.flips import MOST, Flip, draw
from edgits.export.metadata import embed_card
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES
from edgits.export.seal import check_seal, seal
from edgits.export.structure import read_structure, tflite_schema
from edgits.export.verify import verify, write


@pytest.fixture(scope="module")
def run(exports, run_folder, tmp_path_factory):
    """The run folder with its exports, and fewer images."""
    for name in ("tflite-float32", "tflite-int8", "tflite-int8-b1", "onnx-int8"):
        assert exports[name].path.exists()
    copied = tmp_path_factory.mktemp("verify") / "run"
    shutil.copytree(run_folder, copied)
    with np.load(run_folder / "test.npz") as stored:
        np.savez(copied / "test.npz", images=stored["images"][:400], labels=stored["labels"][:400])
    return copied


@pytest.fixture
def planted(run, trained, source, tmp_path):
    """Converts a net that `change` made of the trained one; the file stands in a run of the right one."""

    def plant(name="tflite-float32", *, change=None, scale=1.0, card=False):
        import keras

        with quiet():
            model = keras.models.clone_model(trained)
            model.set_weights(trained.get_weights())
            model = change(model) if change else model
            path = tmp_path / f"planted-{name}.tflite"
            calibration = source.card.normalization.batch(source.calibration.images[:50]) * np.float32(scale)
            tflite.convert(model, RECIPES[name].options, calibration, path)
            if card:
                embed_card(path, source.card)
        return path

    return plant


def found(path, run, **options):
    """Returns the faults by name; Keras would take seconds to answer."""
    options = {"against": str(run / "export" / "tiny-float32.tflite"), "data": str(run / "test.npz")} | options
    return {fault.name: fault for fault in verify(str(path), **options).faults}


def random_weights(model):
    random = np.random.default_rng(3)
    model.set_weights(
        [random.normal(0, 0.3, value.shape) ** (2 if value.ndim == 1 else 1) for value in model.get_weights()]
    )
    return model


def zeroed_last_layer(model):
    model.layers[-1].set_weights([np.zeros_like(value) for value in model.layers[-1].get_weights()])
    return model


def not_a_number(model):
    weights = model.get_weights()
    model.set_weights([*weights[:-1], np.full_like(weights[-1], np.nan)])
    return model


def fed_with(scale, offset):
    """Puts a layer before the net, as if it had been trained on other inputs."""

    def change(model):
        import keras

        return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Rescaling(scale, offset), *model.layers])

    return change


@pytest.mark.parametrize("name", ["tflite-float32", "tflite-int8", "onnx-int8"])
def test_a_good_file_is_verified(run, exports, name):
    # Keras, the default, takes seconds to answer
    against = None if name == "tflite-float32" else str(run / "export" / "tiny-float32.tflite")
    verdict = verify(str(run / "export" / exports[name].path.name), against=against)
    assert verdict.faults == ()
    assert verdict.reference == (run / "export" / "tiny-float32.tflite" if against else run / "model.keras")
    assert (verdict.limits, verdict.images) == (name, 400)
    (outcome,) = verdict.outcomes
    assert outcome.check.accuracy > 0.85
    assert outcome.cosine > 0.99
    assert outcome.snr_db > (100 if name == "tflite-float32" else 15)
    assert 0 < outcome.mean < outcome.check.difference
    assert len(outcome.flips) == outcome.check.flips


def test_random_weights(run, planted):
    assert set(found(planted(change=random_weights), run)) <= {"chance level", "constant output"} != set()


def test_zeroed_last_layer(run, planted):
    fault = found(planted(change=zeroed_last_layer), run)["constant output"]
    assert fault.meaning == "the same scores whatever the image"


def test_not_a_number(run, planted):
    assert found(planted(change=not_a_number), run)["not finite"].meaning == "NaN or infinity on 400 of 400 images"


@pytest.mark.parametrize("name", ["tflite-int8", "tflite-int8-float-io"])
def test_calibration_on_0_to_255(run, planted, name):
    fault = found(planted(name, scale=255), run)["calibration range"]
    assert "its quantized input ends at 25" in fault.meaning


@pytest.mark.parametrize(
    ("change", "name", "how"),
    [
        (fed_with(-1, 1), "swapped polarity", "inverted"),
        (fed_with(1 / 255, 0), "input scale", "times 255"),
    ],
)
def test_other_inputs(run, planted, change, name, how):
    faults = found(planted(change=change), run)
    assert list(faults) == [name]
    assert faults[name].meaning.endswith(f"of them {how}")


@pytest.mark.parametrize("kind", ["times 255", "divided by 255"])
def test_the_scale_is_named_by_which_input_is_read_best(kind):
    labels = np.arange(400) % 10
    check = Check("litert", "2", 400, 0.9, 300, 0, 0.25, 0.95, "300 of 400 answers differ")
    scores = np.random.default_rng(0).normal(size=(400, 10)).astype(np.float32)
    probed = {"as they are": 0.25, "inverted": 0.3, "times 255": 0.3, "divided by 255": 0.3}
    evidence = Evidence(check, scores, scores.argmax(axis=1), labels, probed | {kind: 0.9})
    (fault,) = answer_faults(evidence, explained=False)
    assert (fault.name, fault.meaning.endswith(kind)) == ("input scale", True)
    assert answer_faults(evidence, explained=True) == []
    (fault,) = answer_faults(replace(evidence, probed=probed), explained=False)
    assert fault.name == "differs"


def test_inverted_images(run, exports, tmp_path):
    with np.load(run / "test.npz") as stored:
        np.savez(tmp_path / "inverted.npz", images=255 - stored["images"], labels=stored["labels"])
    path = run / "export" / exports["tflite-float32"].path.name
    assert list(found(path, run, data=str(tmp_path / "inverted.npz"))) == ["swapped polarity"]


@pytest.mark.parametrize("name", ["tflite-float32", "onnx-float32"])
@pytest.mark.parametrize("carded", [True, False])
def test_cut_file(run, exports, tmp_path, name, carded):
    whole = exports[name].path
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    if carded:
        shutil.copy(card_path(whole), card_path(path))
    faults = found(path, run)
    assert ("wrong file or card" in faults) == carded
    assert any(fault.startswith("refused by") for fault in faults)


def flip_bits(source, path, *, count, seed):
    data = np.frombuffer(source.read_bytes(), np.uint8).copy()
    bits = np.random.default_rng(seed).choice(data.size * 8, count, replace=False)
    np.bitwise_xor.at(data, bits // 8, (1 << (bits % 8)).astype(np.uint8))
    path.write_bytes(data.tobytes())


@pytest.mark.parametrize("name", ["tflite-float32", "tflite-int8", "onnx-float32"])
@pytest.mark.parametrize("count", [1, 200])
def test_flipped_bits_without_a_card(run, exports, tmp_path, name, count):
    path = tmp_path / exports[name].path.name
    flip_bits(exports[name].path, path, count=count, seed=5)
    assert "damaged" in found(path, run)


def test_flipped_bits_of_somebody_elses_file(run, planted, tmp_path):
    """Without card and seal, what counts is what it answers."""
    path = tmp_path / "bare.tflite"
    flip_bits(planted("tflite-int8"), path, count=200, seed=5)
    assert found(path, run)


@pytest.mark.parametrize("name", ["tflite-float32", "tflite-int8", "onnx-int8"])
def test_a_seal_misses_no_flipped_bit(exports, tmp_path, name):
    whole, path = exports[name].path, tmp_path / "flipped"
    assert check_seal(whole) == "intact"
    for seed in range(200):
        flip_bits(whole, path, count=[1, 2, 20, 200][seed % 4], seed=seed)
        assert check_seal(path) != "intact", seed
    data = whole.read_bytes()
    for where in (data.find(b"edgits-seal"), data.find(b"edgits-seal") + 30):
        flipped = bytearray(data)
        flipped[where] ^= 1
        path.write_bytes(flipped)
        assert check_seal(path) != "intact"


def test_a_file_has_one_place_for_its_seal(exports):
    with pytest.raises(ValueError, match="0 places for a seal"):
        seal(exports["tflite-int8"].path)


def test_a_file_whose_seal_was_hit(run, exports, tmp_path):
    path = tmp_path / "unsealed.tflite"
    path.write_bytes(exports["tflite-float32"].path.read_bytes().replace(b"edgits-seal-sha256", b"edgitc-seal-sha256"))
    assert found(path, run)["damaged"].meaning == "edgits wrote it, but its seal is missing"


def test_operation_that_no_runtime_has(run, exports, tmp_path):
    """Its version is one that doesn't exist yet."""
    path = tmp_path / "new.tflite"
    data = bytearray(exports["tflite-int8"].path.read_bytes())
    model = tflite_schema().Model.GetRootAs(data)
    codes = [model.OperatorCodes(i)._tab for i in range(model.OperatorCodesLength())]
    code = next(code for code in codes if code.Offset(8))  # version 1 isn't stored
    data[code.Pos + code.Offset(8)] = 99
    path.write_bytes(data)
    fault = found(path, run)["unsupported operation"]
    assert "version '99'" in fault.meaning


def test_operator_set_that_no_runtime_has(run, exports, tmp_path):
    import onnx

    path = tmp_path / "new.onnx"
    proto = onnx.load(exports["onnx-float32"].path)
    proto.opset_import[0].version = 99
    onnx.save(proto, path)
    assert "unsupported operation" in found(path, run)


@pytest.mark.parametrize(
    ("code", "limit", "message"),
    [
        ("time.sleep(60)", 0.5, "litert hangs: no answer to 400 images within 0 s"),
        ("os.kill(os.getpid(), 11)", 60, "SIGSEGV"),
    ],
)
def test_runtime_that_hangs_or_crashes(run, exports, monkeypatch, code, limit, message):
    def run_apart(path, runtime, batches):
        command = [sys.executable, "-c", f"import os, time; {code}"]
        return apart.ask(command, runtime, batches[:3], limit=limit)

    monkeypatch.setattr(importlib.import_module("edgits.export.verify"), "run_apart", run_apart)
    assert message in found(run / "export" / exports["tflite-float32"].path.name, run)["refused by litert"].meaning


def test_flipped_bits_are_always_seen_by_the_card(run, exports, tmp_path):
    whole = exports["tflite-int8"].path
    path = tmp_path / whole.name
    shutil.copy(card_path(whole), card_path(path))
    flip_bits(whole, path, count=1, seed=7)
    assert "wrong file or card" in found(path, run)


def test_card_of_another_model(run, exports, tmp_path):
    path = tmp_path / "model.tflite"
    shutil.copy(exports["tflite-float32"].path, path)
    shutil.copy(card_path(exports["tflite-int8"].path), card_path(path))
    faults = found(path, run)
    assert list(faults) == ["wrong file or card"]
    assert "isn't the file its card was written for" in faults["wrong file or card"].meaning


def test_file_without_weights(run, trained, tmp_path):
    import tensorflow as tf

    path = tmp_path / "empty.tflite"
    with quiet():
        signature = tf.TensorSpec((None, 28, 28, 1), tf.float32)
        function = tf.function(lambda image: trained(image)).get_concrete_function(signature)
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], trained).convert())
    assert "weights missing" in found(path, run)  # what it answers is chance: NaN, or what lay in memory


def test_batch_that_cannot_change(run, exports, planted, tmp_path):
    assert "fixed batch" in found(planted("tflite-int8-b1"), run)
    meant = run / "export" / exports["tflite-int8-b1"].path.name
    assert found(meant, run) == {}


def test_another_number_of_answers_is_another_model(run, planted):
    def with_one_more(model):
        import keras

        return keras.Sequential([keras.Input((28, 28, 1)), *model.layers[:-1], keras.layers.Dense(11)])

    assert "it answers (400, 11)" in found(planted(change=with_one_more), run)["refused by litert"].meaning


def test_structure_lists_operations_with_versions(exports):
    small, onnx = (read_structure(exports[name].path) for name in ("tflite-int8", "onnx-int8"))
    assert {"CONV_2D", "FULLY_CONNECTED"} <= {op.name for op in small.operations}
    assert all(op.version >= 1 and op.count >= 1 for op in (*small.operations, *onnx.operations))
    assert {op.version for op in onnx.operations if op.name == "Conv"} == {15}
    for name in ("tflite-int8", "tflite-int8-float-io", "tflite-int16x8", "onnx-int8"):
        assert read_structure(exports[name].path).highest_input == pytest.approx(1, abs=0.05), name
    assert read_structure(exports["tflite-float32"].path).highest_input is None
    assert [read_structure(exports[name].path).batch for name in ("tflite-int8", "tflite-int8-b1")] == [None, 1]


def test_command_verifies_and_writes(run, exports, tmp_path, edgits):
    path = run / "export" / exports["tflite-int8"].path.name
    against = run / "export" / "tiny-float32.tflite"
    code, out, err = edgits("verify", path, "--against", against, "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report == json.loads((tmp_path / "out" / "verify.json").read_text())
    assert report["verified"]
    assert (tmp_path / "out" / "flips.png").exists() == bool(report["runtimes"][0]["flipped"])


def test_table_fits_into_100_columns(run, exports, edgits):
    against = run / "export" / "tiny-float32.tflite"
    code, out, _ = edgits("verify", run / "export" / exports["onnx-int8"].path.name, "--against", against)
    assert code == 0
    assert "onnxruntime" in out
    assert "…" not in out  # which is how a table shortens what has no room
    assert max(map(len, out.splitlines())) <= 100


def test_command_names_every_fault_in_one_line(run, planted, tmp_path, edgits):
    path = planted("tflite-int8-b1", scale=255)
    options = ("--against", run / "export" / "tiny-float32.tflite", "--data", run / "test.npz", "--out", tmp_path)
    code, out, err = edgits("verify", path, *options)
    assert code == 1
    assert err.count("\n") == 1
    assert "fixed batch: " in err
    assert "calibration range: " in err
    assert "✗ fixed batch" in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("written")) <= 100
    assert cv2.imread(str(tmp_path / "flips.png")) is not None


@pytest.mark.parametrize(
    ("artifact", "options", "message"),
    [
        ("nothing.tflite", {}, "no model 'nothing.tflite'"),
        ("small", {}, "no Keras model beside"),
        ("small", {"against": "nothing"}, "no model 'nothing'"),
    ],
)
def test_bad_input(artifact, options, message):
    with pytest.raises(ModelError, match=message):
        verify(artifact, **options)


def test_what_is_no_model_is_bad_input(run, tmp_path):
    path = tmp_path / "text.tflite"
    path.write_text("no model at all")
    with pytest.raises(ModelError, match=r"is no \.tflite"):
        verify(str(path), against=str(run / "model.keras"))
    with pytest.raises(DataError):
        verify(str(run / "export" / "tiny-int8.tflite"), data="nothing")


def test_sheet_of_flips():
    image = np.full((28, 28), 200, np.uint8)
    flips = [Flip(i, image, 1, 1, 7) for i in range(2 * MOST)]
    assert draw(flips).shape[1] == draw(flips[:10]).shape[1]
    assert draw(flips).shape == draw(flips[:MOST]).shape
    assert np.array_equal(draw(flips), draw(flips[::2]))
    assert (draw(flips[:1]) == 200).all(axis=2).sum() >= 84 * 84


def test_old_picture_does_not_stay(run, exports, tmp_path):
    (tmp_path / "flips.png").write_bytes(b"of an earlier file")
    path = run / "export" / exports["tflite-float32"].path.name
    verdict = verify(str(path), against=str(path))
    assert write(verdict, tmp_path) == [tmp_path / "verify.json"]
    assert not (tmp_path / "flips.png").exists()
