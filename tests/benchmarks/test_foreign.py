"""Models that this project has not made: plain Keras, scikit-learn."""

import json

import numpy as np
import pytest

from edgits.benchmarks.foreign import CONVENTIONS, Adapted, Convention, describe_any
from edgits.card import TensorSpec
from edgits.errors import ModelError
from edgits.quiet import quiet

QUICK = ("--repeat", "30", "--json")


@pytest.fixture(scope="module")
def keras_file(ridge, tmp_path_factory):
    """Three channels of 0 to 255, dark ink on white, answers through a softmax: as a tutorial's model has it."""
    path = tmp_path_factory.mktemp("keras") / "theirs.tflite"
    with quiet():
        import keras

        weights = np.repeat(ridge[0][:, None], 3, axis=1).reshape(-1, 10) / 3
        model = keras.Sequential(
            [
                keras.Input((28, 28, 3)),
                keras.layers.Rescaling(-1 / 255, offset=1),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
                keras.layers.Softmax(),
            ]
        )
        model.layers[2].set_weights([weights, ridge[1]])
        model.export(str(path), format="litert", verbose=False)
    return path


@pytest.fixture(scope="module")
def sklearn_file(ridge, tmp_path_factory):
    """A classifier of flat images whose second output maps each class to its probability."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    path = tmp_path_factory.mktemp("sklearn") / "theirs.onnx"
    model = LogisticRegression()
    model.coef_, model.intercept_, model.classes_, model.n_features_in_ = ridge[0].T, ridge[1], np.arange(10), 784
    path.write_bytes(to_onnx(model, np.zeros((1, 784), np.float32)).SerializeToString())
    return path


def test_strangers_are_measured_side_by_side(edgits, keras_file, sklearn_file, run_folder):
    data = ("--data", run_folder / "test.npz")
    code, out, err = edgits("benchmark", keras_file, sklearn_file, *data, *QUICK)
    assert code == 0, err
    value = json.loads(out)
    lite, onnx = value["rows"]
    assert (lite["model"], lite["runtime"], onnx["model"], onnx["runtime"]) == (
        "theirs.tflite",
        "litert",
        "theirs.onnx",
        "onnxruntime",
    )
    assert lite["accuracy"] > 0.75
    assert onnx["accuracy"] > 0.75
    assert (lite["parameters"], lite["macs"], lite["quantized"]) == (3 * 7840 + 10, 3 * 7840, False)
    assert onnx["parameters"] == 7850
    assert lite["delegate"].startswith("XNNPACK")
    assert value["conventions"]["theirs.tflite"] == "pixels 0 to 255, inverted, normalised by resize"
    assert value["conventions"]["theirs.onnx"].startswith("pixels 0 to 1, normalised by ")


class Fixed:
    """A runtime that remembers what it was given."""

    name, version = "fixed", "1"

    def __init__(self, shape, outputs=(10,), answer=None):
        self.input, self.output, self.answer = TensorSpec(shape), TensorSpec(outputs), answer

    def run(self, batch):
        self.seen = batch
        return np.zeros((len(batch), *self.output.shape), np.float32) if self.answer is None else self.answer(batch)


@pytest.mark.parametrize(
    ("shape", "side"),
    [
        *(((28, 28, 1), 28), ((32, 32, 3), 32), ((1, 28, 28), 28), ((3, 20, 20), 20)),
        *(((28, 28), 28), ((784,), 28), ((3, 3), 3)),
    ],
)
def test_every_layout_of_a_square_image_is_met(shape, side):
    inner = Fixed(shape)
    model = Adapted(inner, "a.tflite")
    assert model.input.shape == (side, side, 1)
    images = np.random.default_rng(0).random((2, side, side, 1), np.float32)
    assert model.run(images).shape == (2, 10)
    assert inner.seen.shape == (2, *shape)
    first = inner.seen[0].reshape(-1, side, side)[0] if len(shape) < 3 or shape[0] in (1, 3) else inner.seen[0, ..., 0]
    np.testing.assert_array_equal(first, images[0, ..., 0])


@pytest.mark.parametrize("shape", [(28, 20, 1), (785,), (28, 28, 2), (4, 28, 28), (28, 28, 1, 1), ()])
def test_what_is_no_square_image_is_refused(shape):
    with pytest.raises(ModelError, match="square images"):
        Adapted(Fixed(shape), "a.tflite")


def test_too_few_scores_are_refused():
    with pytest.raises(ModelError, match="ten digits"):
        Adapted(Fixed((784,), (9,)), "a.tflite")


@pytest.mark.parametrize("wanted", CONVENTIONS, ids=Convention.text)
def test_a_convention_is_found_by_trying(digits, ridge, wanted, tmp_path):
    """The model answers right only in its own convention; where it can't matter the simplest is taken."""
    low, high = wanted.span[::-1] if wanted.inverted else wanted.span

    def answer(batch):
        ink = (batch.reshape(len(batch), -1) - low) / (high - low)
        return ink @ ridge[0] + ridge[1]

    model = Adapted(Fixed((28, 28, 1), answer=answer), tmp_path / "a.tflite")
    few = digits.take(np.arange(150))
    card = describe_any(tmp_path / "a.tflite", model, few)
    assert card.normalization.method == model.convention.method
    read = model.run(card.normalization.batch(few.images)).argmax(axis=1)
    assert np.mean(read == few.labels) > 0.7
    if wanted.method == "resize" and wanted.span[0] == 0:  # to a linear model -1 to 1 is much as 0 to 255
        assert (model.convention.span, model.convention.inverted) == (wanted.span, wanted.inverted)
