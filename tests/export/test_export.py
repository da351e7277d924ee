"""Every format is made, opens, answers right, and has its card beside it and inside it."""

import json

import numpy as np
import pytest

from edgits.card import card_path, load_card
from edgits.edge.recognizer import Recognizer
from edgits.edge.runtimes import KerasRuntime, open_model, runtimes_for
from edgits.export.bias import convert_corrected
from edgits.export.check import MICRO, runtimes_of
from edgits.export.exporter import export, read_checks
from edgits.export.metadata import read_embedded_card
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES, OnnxOptions, select
from edgits.export.source import find_model, load_source, pick

FILES = [name for name in RECIPES if not name.startswith("c-")]
TFLITE = [name for name in RECIPES if name.startswith("tflite")]
ONNX = [name for name in RECIPES if name.startswith("onnx")]


@pytest.mark.parametrize("name", FILES)
def test_every_format_reads_digits_on_every_runtime(exports, digits, name):
    result = exports[name]
    images, labels = digits[0][200:700], digits[1][200:700]
    names = runtimes_for(result.path)
    assert [check.runtime for check in result.checks] == runtimes_of(result.path, RECIPES[name])
    for runtime in names:
        recognizer = Recognizer.load(result.path, runtime=runtime)
        answers = recognizer.probabilities(recognizer.card.normalization.batch(images)).argmax(axis=1)
        assert np.mean(answers == labels) > 0.85


@pytest.mark.parametrize("name", RECIPES)
def test_card_is_the_files_own(exports, source, name):
    path = exports[name].path
    card = load_card(path)
    assert card is not None
    assert (card.name, card.format) == ("tiny", name)
    assert (card.temperature, card.reject_threshold, card.macs) == (1.2, 0.3, 1234)
    assert (card.accuracy["value"], card.accuracy["of"]) == (0.93, "keras")
    loaded = open_model(path if name in FILES else exports["tflite-int8-b1"].path)
    assert (card.input, card.output) == (loaded.input, loaded.output)
    assert ("calibration" in card.training) == RECIPES[name].calibrated
    if RECIPES[name].calibrated:
        record = dict(card.training["calibration"])
        assert len(record.pop("bias_correction")) == 10
        assert record == source.calibration_record()
        assert card.training["calibration"]["count"] == 100


@pytest.mark.parametrize("name", FILES)
def test_file_without_its_sidecar_says_what_it_is(exports, name):
    card = read_embedded_card(exports[name].path)
    assert card is not None
    assert card.sha256 == ""
    assert card.labels == tuple("0123456789")
    assert card.to_json() | {"sha256": 1} == load_card(exports[name].path).to_json() | {"sha256": 1}


def test_quantization_does_not_shift_scores(exports, source):
    images = source.card.normalization.batch(source.calibration.images)
    with quiet():
        expected = source.runtime.run(images)
    for name in ("tflite-int8", "onnx-int8"):
        path = exports[name].path
        shift = np.abs(np.mean(open_model(path).run(images) - expected, axis=0)).max()
        card = load_card(path)
        uncorrected = np.abs(card.training["calibration"]["bias_correction"]).max()
        # below a sixth of the output's own step (0 where it is float) there is nothing that a bias could take back
        assert shift < max(0.5 * uncorrected, card.output.scale / 6)


def test_bias_correction_leaves_other_models_and_the_original_alone(source):
    import keras

    images = np.random.default_rng(0).random((20, 28, 28, 1), np.float32)

    def shifted() -> KerasRuntime:
        calls.append(1)
        return Shifted()

    class Shifted:
        def run(self, batch):
            return runtime.run(batch) + 0.5

    for ending, conversions in (([keras.layers.Dense(10)], 2), ([keras.layers.Dense(10), keras.layers.Softmax()], 1)):
        calls: list[int] = []
        with quiet():
            runtime = KerasRuntime.__new__(KerasRuntime)
            runtime.model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), *ending])
            runtime.output = source.runtime.output
            before = runtime.run(images)
            correction = convert_corrected(runtime, shifted, images)
            assert np.array_equal(runtime.run(images), before)
        assert len(calls) == conversions
        assert correction == ([0.5] * 10 if conversions == 2 else [])


def test_integer_files_have_integer_ends(exports):
    card = load_card(exports["tflite-int8"].path)
    assert (card.input.dtype, card.output.dtype) == ("int8", "int8")
    assert card.input.scale == pytest.approx(1 / 255, rel=0.01)
    assert card.input.zero_point == -128
    assert load_card(exports["tflite-int8-float-io"].path).input.dtype == "float32"


def test_sizes_shrink_as_promised(exports):
    size = {name: exports[name].bytes for name in RECIPES}
    assert size["tflite-float16"] < 0.7 * size["tflite-float32"]
    assert size["tflite-int8"] < 0.5 * size["tflite-float32"]
    assert size["onnx-float16"] < 0.8 * size["onnx-float32"]


@pytest.mark.parametrize("name", ONNX)
def test_onnx_is_valid_and_its_ends_are_named(exports, name):
    import onnx

    proto = onnx.load(exports[name].path)
    onnx.checker.check_model(proto, full_check=True)
    assert [value.name for value in proto.graph.input] == ["image"]
    assert [value.name for value in proto.graph.output] == ["scores"]
    for value in (proto.graph.input[0], proto.graph.output[0]):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {prop.key for prop in proto.metadata_props} >= {"edgits.card", "labels", "normalization"}


def test_onnx_names_do_not_change_from_run_to_run(exports):
    """The converter's own names depend on Python's hash seed, and with them the file's SHA-256."""
    import onnx

    graph = onnx.load(exports["onnx-float32"].path).graph
    assert [node.name for node in graph.node] == [f"{node.op_type.lower()}_{i}" for i, node in enumerate(graph.node)]
    assert [value.name for value in graph.initializer] == sorted(value.name for value in graph.initializer)
    assert not any("__" in name or "/" in name for node in graph.node for name in (*node.input, *node.output))


def test_quantized_onnx_cannot_saturate(exports):
    """Weights of 7 bits: two products of 255 x 64 fit into 16 bits, where 255 x 127 don't."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.load(exports["onnx-int8"].path)
    weights = [numpy_helper.to_array(value) for value in proto.graph.initializer]
    largest = [int(np.abs(value.astype(int)).max()) for value in weights if value.dtype == np.int8 and value.ndim > 1]
    assert largest
    assert max(largest) <= 64


@pytest.mark.parametrize("name", TFLITE)
def test_tflite_constants_stay_aligned_when_the_card_goes_in(exports, name):
    from tensorflow.lite.python import schema_py_generated as schema

    data = exports[name].path.read_bytes()
    model = schema.Model.GetRootAs(data)
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            vector = buffer._tab.Vector(buffer._tab.Offset(4))
            assert vector % 16 == 0


def test_dynamic_file_asks_no_operation_that_old_runtimes_lack(exports):
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(exports["tflite-dynamic"].path.read_bytes())
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions[schema.BuiltinOperator.FULLY_CONNECTED] < 12


def test_fixed_batch_stays_fixed(exports):
    loaded = open_model(exports["tflite-int8-b1"].path)
    assert loaded.interpreter.get_input_details()[0]["shape_signature"].tolist() == [1, 28, 28, 1]


def test_checks_file_has_every_figure(exports, run_folder):
    results = {name: exports[name] for name in RECIPES}
    rows = read_checks(run_folder / "export" / "checks.json")
    assert {row["format"] for row in rows} == set(results)
    for row in rows:
        assert row["bytes"] == (run_folder / "export" / row["file"]).stat().st_size
        assert row["problem"] == ""
        for check in row["checks"]:
            assert check["images"] == (200 if check["runtime"] == MICRO else 800)
            assert check["accuracy"] > 0.85
            assert check["difference"] <= row["limits"]["difference"]
        if row["format"].endswith("float32"):
            assert row["checks"][0]["flips"] == 0


def test_another_export_keeps_the_figures_of_other_formats(source, tmp_path):
    for name in ("onnx-float32", "onnx-int8", "onnx-float32"):
        export(source, select([name]), tmp_path)
    rows = read_checks(tmp_path / "checks.json")
    assert [row["format"] for row in rows] == ["onnx-int8", "onnx-float32"]
    (tmp_path / "tiny-float32.onnx").unlink()
    export(source, select(["onnx-int8"]), tmp_path)
    assert [row["format"] for row in read_checks(tmp_path / "checks.json")] == ["onnx-int8"]


def test_keras_file_with_images_of_its_own(copied_run):
    for name in ("calibration.npz", "model.keras.card.json"):
        (copied_run / name).unlink()
    source = load_source(copied_run / "model.keras", data=str(copied_run / "test.npz"))
    assert (len(source.calibration), len(source.test)) == (400, 400)
    assert source.card.scores == "logits"
    assert source.card.parameters == source.runtime.model.count_params()


def test_picked_images_keep_each_class_share():
    labels = np.repeat(np.arange(4), [400, 200, 100, 100])
    chosen = pick(labels, 80)
    assert np.bincount(labels[chosen]).tolist() == [40, 20, 10, 10]
    assert np.array_equal(chosen, pick(labels, 80))
    assert len(np.unique(chosen)) == 80
    assert pick(labels, 1000).tolist() == list(range(800))


def test_formats_are_selected_by_name_and_group():
    assert [recipe.name for recipe in select(["default"])] == [
        "tflite-float32",
        "tflite-float16",
        "tflite-dynamic",
        "tflite-int8",
        "onnx-float32",
        "onnx-int8",
    ]
    assert [recipe.name for recipe in select(["all"])] == list(RECIPES)
    assert [recipe.name for recipe in select(["onnx-int8", "onnx-int8"])] == ["onnx-int8"]


def test_recipe_tables_are_consistent():
    for name, recipe in RECIPES.items():
        assert name == recipe.name
        kind = "c" if name.startswith("c-") else "onnx" if isinstance(recipe.options, OnnxOptions) else "tflite"
        assert recipe.suffix == {"c": ".cc"}.get(kind, f".{kind}")
        assert recipe.limits.allowed(recipe.limits.flips, 1000) <= 30
    assert len({recipe.file_name("m") for recipe in RECIPES.values()}) == len(RECIPES)


def test_run_folder_is_found_by_its_model(run_folder):
    assert find_model(run_folder) == run_folder / "model.keras" == find_model(run_folder / "model.keras")


def test_sidecar_is_json_with_the_digest(exports):
    from edgits.files import sha256

    path = exports["onnx-int8"].path
    assert json.loads(card_path(path).read_text())["sha256"] == sha256(path)
