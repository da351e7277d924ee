"""A small net trained in seconds on embedded digits, in a run folder as the contract has it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.export.exporter import export
from edgits.export.quiet import quiet
from edgits.export.recipes import select
from edgits.export.source import load_source
from edgits.normalize import Normalization

NORMALIZATION = Normalization("resize")


def write_run(folder: Path, model, images, labels) -> Path:
    """Writes what export needs of a run folder: the first 100 images calibrate, those from 200 on check."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.save(folder / "model.keras")
    np.savez(folder / "calibration.npz", images=images[:100], labels=labels[:100])
    np.savez(folder / "test.npz", images=images[200:], labels=labels[200:])
    card = ModelCard(
        name="tiny",
        format="keras",
        labels=DIGITS,
        input=TensorSpec((28, 28, 1)),
        output=TensorSpec((10,)),
        normalization=NORMALIZATION,
        temperature=1.2,
        reject_threshold=0.3,
        parameters=model.count_params(),
        macs=1234,
        training={"recipe": "tiny", "seed": 1},
        accuracy={"value": 0.93, "n": 800, "correct": 744, "ci95": [0.91, 0.945], "data": "mnist5k"},
    )
    card.save(folder / "model.keras")
    return folder


@pytest.fixture(scope="session")
def digits(mnist5k) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(len(mnist5k))
    return mnist5k.images[order], mnist5k.labels[order]


@pytest.fixture(scope="session")
def trained(digits):
    """A Keras model with BatchNorm, right on nine of ten digits."""
    with quiet():
        import keras

        keras.utils.set_random_seed(1)
        layers = [keras.Input((28, 28, 1))]
        for filters in (8, 16):
            layers += [
                keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False),
                keras.layers.BatchNormalization(momentum=0.8),
                keras.layers.ReLU(),
            ]
        model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(5e-3), loss)
        images, labels = digits
        model.fit(NORMALIZATION.batch(images[1000:2500]), labels[1000:2500], batch_size=64, epochs=4, verbose=0)
    return model


@pytest.fixture(scope="session")
def run_folder(trained, digits, tmp_path_factory) -> Path:
    images, labels = digits
    return write_run(tmp_path_factory.mktemp("run"), trained, images[:1000], labels[:1000])


@pytest.fixture(scope="session")
def source(run_folder):
    return load_source(run_folder)


class Exports(dict):
    """Exports by format, each made when it is first asked for: a single test needs but a few."""

    def __init__(self, source, out):
        self.source, self.out = source, out

    def __missing__(self, name):
        (self[name],) = export(self.source, select([name]), self.out)
        return self[name]


@pytest.fixture(scope="session")
def exports(source, run_folder):
    return Exports(source, run_folder / "export")


@pytest.fixture
def broken_run(run_folder, digits, tmp_path) -> Callable[..., Path]:
    """Makes a run folder whose Keras model was damaged by a function of its weights."""

    def make(damage: Callable[[list[np.ndarray]], list[np.ndarray]]) -> Path:
        import keras

        with quiet():
            model = keras.models.load_model(run_folder / "model.keras", compile=False)
            model.set_weights(damage(model.get_weights()))
        images, labels = digits
        return write_run(tmp_path / "broken", model, images[:1000], labels[:1000])

    return make


@pytest.fixture
def copied_run(run_folder, tmp_path) -> Path:
    """A run folder of one's own, without exports."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("model.keras", "model.keras.card.json", "calibration.npz", "test.npz"):
        shutil.copy(run_folder / name, folder / name)
    return folder
