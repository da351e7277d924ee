"""The layer that was damaged is the one that adds most error, in either kind of file."""

import cv2
import numpy as np
import pytest

from edgits.errors import ModelError
from edgits.export import onnx, tflite
from edgits.export.layer_plot import plot_layers
from edgits.export.layers import compare_layers
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES


@pytest.fixture(scope="module")
def images(source):
    return source.feed.batch(source.test.images[:16])


@pytest.fixture(scope="module")
def floats(exports):
    return {".tflite": exports["tflite-float32"].path, ".onnx": exports["onnx-float32"].path}


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("tflite-float32", 0),
        ("tflite-float16", 0.01),
        ("tflite-int8", 0.3),
        ("tflite-int8-b1", 0.3),
        ("tflite-int16x8", 0.1),
        ("tflite-int4", 0.6),
        ("onnx-float16", 0.01),
        ("onnx-int8", 0.3),
    ],
)
def test_error_of_every_layer(exports, floats, images, name, most):
    path = exports[name].path
    layers = compare_layers(path, floats[path.suffix], images)
    assert sum(layer.operation in ("CONV_2D", "Conv") for layer in layers) == 2
    assert layers[-1].operation in ("FULLY_CONNECTED", "Gemm", "Add")
    assert all(0 <= layer.error <= most for layer in layers)
    assert layers[0].error > 0 or most == 0
    assert sum(layer.added for layer in layers) == pytest.approx(layers[-1].error)
    assert all(0 < layer.weight_error < most for layer in layers if layer.weight_error is not None)
    assert any(layer.weight_error for layer in layers) == (name != "tflite-float32")


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize(("weights", "place"), [(0, 0), (5, 1), (10, 2)])
def test_damaged_layer_adds_most(trained, source, floats, images, tmp_path, kind, weights, place):
    import keras

    path = tmp_path / f"damaged.{kind}"
    with quiet():
        model = keras.models.clone_model(trained)
        values = trained.get_weights()
        values[weights] = values[weights] + np.random.default_rng(0).normal(0, 0.3, values[weights].shape)
        model.set_weights(values)
        convert = onnx.convert if kind == "onnx" else tflite.convert
        convert(model, RECIPES[f"{kind}-float32"].options, images, path)
    weighted = ("CONV_2D", "FULLY_CONNECTED", "Conv", "MatMul", "Gemm")
    every = [layer for layer in compare_layers(path, floats[f".{kind}"], images) if layer.operation in weighted]
    assert max(range(len(every)), key=lambda i: every[i].added) == place
    assert [layer.weight_error is not None for layer in every] == [i == place for i in range(3)]


def test_layers_need_a_reference_of_the_same_kind(exports, images):
    with pytest.raises(ModelError, match=r"they need the Keras model, or a float \.onnx"):
        compare_layers(exports["onnx-int8"].path, exports["tflite-float32"].path, images)


def test_plot_shows_every_layer(exports, floats, images, tmp_path):
    layers = compare_layers(exports["tflite-int8"].path, floats[".tflite"], images)
    plot_layers(layers, "tiny", tmp_path / "layers.png")
    picture = cv2.imread(str(tmp_path / "layers.png"))
    red = (picture[:, :, 2] > 150) & (picture[:, :, 1] < 100)
    assert 0.02 < red.mean() < 0.5  # one bar
    assert picture.shape[0] > 34 * len(layers)


def test_command_shows_the_layers(run_folder, exports, tmp_path, edgits):
    path = exports["tflite-int8"].path
    options = ("--against", exports["tflite-float32"].path, "--data", run_folder / "test.npz")
    code, out, _ = edgits("verify", path, *options, "--layers", "--out", tmp_path)
    assert code == 0
    assert "FULLY_CONNECTED" in out.split("its weights")[1]
    assert (tmp_path / "layers.png").exists()
