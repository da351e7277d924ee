"""A run folder whose model needs no training: ridge regression in closed form, right on five of six digits."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.export.exporter import export
from edgits.export.recipes import select
from edgits.export.source import load_source
from edgits.normalize import Normalization
from edgits.quiet import quiet

NORMALIZATION = Normalization("resize")
FORMATS = ["tflite-float32", "tflite-int8", "onnx-float32"]
TEST_IMAGES = 300


def write_model(path: Path, weights: np.ndarray, bias: np.ndarray, *, labels=DIGITS, card=True) -> Path:
    """Writes a linear model, weights (784, classes), as a .keras file with its card."""
    with quiet():
        import keras

        model = keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(weights.shape[1])]
        )
        model.set_weights([weights, bias])
        model.save(path)
    if card:
        ModelCard(
            name="ridge",
            format="keras",
            labels=labels,
            input=TensorSpec((28, 28, 1)),
            output=TensorSpec((len(labels),)),
            normalization=NORMALIZATION,
            temperature=0.1,
            reject_threshold=0.2,
            parameters=7850,
            macs=7840,
        ).save(path)
    return path


@pytest.fixture(scope="session")
def digits(mnist5k):
    order = np.random.default_rng(0).permutation(len(mnist5k))
    return mnist5k.take(order)


@pytest.fixture(scope="session")
def ridge(digits):
    """Weights (784, 10) and bias (10,)."""
    train = digits.take(np.arange(1000, 4000))
    inputs = NORMALIZATION.batch(train.images).reshape(len(train), -1)
    inputs = np.hstack([inputs, np.ones((len(train), 1))])
    truth = np.eye(10)[train.labels]
    found = np.linalg.solve(inputs.T @ inputs + 20 * np.eye(785), inputs.T @ truth).astype(np.float32)
    return found[:-1], found[-1]


@pytest.fixture(scope="session")
def make_run(digits, ridge, tmp_path_factory):
    """Makes a run folder, exported, of a model whose weights a function may have damaged."""

    def make(damage=lambda weights, bias: (weights, bias), formats=FORMATS):
        folder = tmp_path_factory.mktemp("run")
        write_model(folder / "model.keras", *damage(*ridge))
        held = digits.take(np.arange(TEST_IMAGES))
        np.savez(folder / "test.npz", images=held.images, labels=held.labels)
        np.savez(folder / "calibration.npz", images=digits.images[-200:], labels=digits.labels[-200:])
        export(load_source(folder), select(formats), folder / "export")
        return folder

    return make


@pytest.fixture(scope="session")
def run_folder(make_run):
    return make_run()
