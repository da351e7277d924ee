"""Models that edgits didn't train: colour, other shapes, other classes, another input range, a SavedModel."""

import numpy as np
import pytest
from click.testing import CliRunner

from edgits.card import load_card
from edgits.cli import cli
from edgits.edge.recognizer import Recognizer
from edgits.edge.runtimes import open_model
from edgits.errors import CheckError, DataError, ModelError
from edgits.export.exporter import export
from edgits.export.feed import Feed, load_samples
from edgits.export.quiet import quiet
from edgits.export.recipes import select
from edgits.export.source import RANGE_KEY, load_source
from edgits.export.verify import verify
from edgits.normalize import Normalization

FORMATS = ["tflite-float32", "tflite-int8", "onnx-float32"]


def colours(count):
    """Images of three classes: mostly red, mostly green, mostly blue."""
    random = np.random.default_rng(4)
    labels = np.arange(count) % 3
    images = random.integers(0, 90, (count, 20, 30, 3))
    images[np.arange(count), :, :, labels] += 120
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def colour_model(tmp_path_factory):
    """A net of three classes for images of 24 by 32 pixels in colour."""
    folder = tmp_path_factory.mktemp("colour")
    images, labels = colours(300)
    np.savez(folder / "images.npz", images=images, labels=labels)
    with quiet():
        import keras

        keras.utils.set_random_seed(2)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((24, 32, 3)),
                layers.Conv2D(4, 3, strides=4),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
        feed = Feed((24, 32, 3), Normalization("resize", 32))
        model.fit(feed.batch(images), labels, epochs=5, verbose=0)
        model.save(folder / "colour.keras")
    return folder


def test_colour_images_of_any_shape_and_classes(colour_model, tmp_path):
    source = load_source(colour_model / "colour.keras", data=str(colour_model / "images.npz"))
    assert (source.card.labels, source.card.scores) == (("class 0", "class 1", "class 2"), "probabilities")
    exports = export(source, select(FORMATS), tmp_path)
    assert all(check.accuracy > 0.95 for result in exports for check in result.checks)
    card = load_card(exports[1].path)
    assert card.input.shape == (24, 32, 3)
    with pytest.raises(ModelError, match="24, 32, 3"):  # the camera reads grey digits
        Recognizer.load(exports[1].path)
    verdict = verify(
        str(exports[1].path), against=str(colour_model / "colour.keras"), data=str(colour_model / "images.npz")
    )
    assert verdict.faults == ()


def test_colour_images_keep_their_colours(colour_model):
    samples = load_samples(str(colour_model / "images.npz"), ["a", "b", "c"], 3)
    values = Feed((24, 32, 3), Normalization("resize", 32)).batch(samples.images)
    assert np.array_equal(values.mean(axis=(1, 2)).argmax(axis=1), samples.labels)
    grey = Feed((24, 32, 1), Normalization("resize", 32)).batch(samples.images)
    assert grey.shape == (300, 24, 32, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 8, 8, 3), np.uint8), "labels": np.arange(4)}, "must be 0 to 2.* found 0 to 3"),
        ({"images": np.zeros((4, 8, 8, 3)), "labels": np.arange(4)}, "must be uint8"),
        ({"images": np.zeros((4, 8, 8, 3), np.uint8), "labels": np.arange(3)}, "must be 4 integers"),
        ({"pictures": np.zeros(3)}, "can't be read"),
    ],
)
def test_bad_colour_images(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_samples(str(tmp_path / "bad.npz"), ["a", "b", "c"], 3)


@pytest.fixture(scope="module")
def wide_range(trained, digits, tmp_path_factory):
    """The digit net behind a layer that takes 0 to 255, without a card, and digits for it."""
    folder = tmp_path_factory.mktemp("wide")
    with quiet():
        import keras

        image = keras.Input((28, 28, 1))
        model = keras.Model(image, trained(keras.layers.Rescaling(1 / 255)(image)))
        model.save(folder / "wide.keras")
        model.export(folder / "saved", verbose=False)
    np.savez(folder / "digits.npz", images=digits[0][:600], labels=digits[1][:600])
    return folder


@pytest.mark.parametrize("name", ["wide.keras", "saved"])
def test_another_input_range_and_a_saved_model(wide_range, tmp_path, name):
    source = load_source(
        wide_range / name, data=str(wide_range / "digits.npz"), input_range=(0, 255), normalization="resize"
    )
    exports = export(source, select(FORMATS), tmp_path)
    assert all(check.accuracy > 0.85 for result in exports for check in result.checks)
    card = load_card(exports[0].path)
    assert card.training[RANGE_KEY] == [0, 255]
    images = source.feed.batch(source.test.images[:50])
    assert images.max() <= 1
    assert np.mean(open_model(exports[0].path).run(images).argmax(axis=1) == source.test.labels[:50]) > 0.8
    if name == "wide.keras":
        verdict = verify(
            str(exports[0].path), against=str(wide_range / name), data=str(wide_range / "digits.npz"), layers=False
        )
        assert verdict.faults == ()


def test_wrong_input_range_is_found(wide_range, tmp_path):
    source = load_source(wide_range / "wide.keras", data=str(wide_range / "digits.npz"), normalization="resize")
    with pytest.raises(CheckError, match="itself reads"):
        export(source, select(["onnx-float32"]), tmp_path)


def test_folder_that_is_no_saved_model(tmp_path, wide_range):
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="can't be loaded as a SavedModel"):
        load_source(tmp_path, data=str(wide_range / "digits.npz"))


@pytest.mark.parametrize("kind", ["two inputs", "open sides", "no image", "four channels"])
def test_models_of_no_single_image(tmp_path, wide_range, kind):
    import keras

    if kind == "two inputs":
        inputs = [keras.Input((28, 28, 1)), keras.Input((28, 28, 1))]
        scores = keras.layers.Dense(10)(keras.layers.Flatten()(keras.layers.Add()(inputs)))
    else:
        shape = {"open sides": (None, None, 1), "no image": (5,), "four channels": (28, 28, 4)}[kind]
        inputs = keras.Input(shape)
        pooled = inputs if kind == "no image" else keras.layers.GlobalAveragePooling2D()(inputs)
        scores = keras.layers.Dense(10)(pooled)
    with quiet():
        keras.Model(inputs, scores).save(tmp_path / "odd.keras")
    with pytest.raises(ModelError, match=r"one image is needed|an image \(height"):
        load_source(tmp_path / "odd.keras", data=str(wide_range / "digits.npz"))


def test_command_checks_the_range(run_folder):
    result = CliRunner().invoke(cli, ["export", str(run_folder), "--input-range", "255", "0"])
    assert result.exit_code == 2
    assert "LOW must be below HIGH" in result.output
