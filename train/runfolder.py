"""Writes the run folder of a finished training: model, card, configuration, history, images. Trains nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.card import REFUSALS, ModelCard, TensorSpec
from edgits.dataset import Dataset
from edgits.stats import softmax, wilson
from edgits.train.calibrate import fit_temperature, none_excess, reject_threshold
from edgits.train.loop import EpochRow
from edgits.train.mixture import Mixture, Part
from edgits.train.models import count_macs
from edgits.train.recipes import Recipe
from edgits.train.split import Split
from edgits.train.variants import as_input

CALIBRATION_IMAGES = 500
TEST_IMAGES = 10_000
HISTORY = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds", "waited")


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        folder: The run folder.
        card: The model's card.
        history: A row an epoch: epoch, accuracy, loss, val_accuracy, val_loss, seconds, and how
            many of these the training waited for images.
        test: The part that was held back, raw.
        probabilities: float32 (N, classes) of the test part.
    """

    folder: Path
    card: ModelCard
    history: list[EpochRow]
    test: Dataset
    probabilities: npt.NDArray[np.float32]


def write_run(
    model: Any,
    recipe: Recipe,
    split: Split,
    history: list[EpochRow],
    out: Path,
    configuration: dict[str, Any],
    *,
    windows: bool,
) -> Run:
    """Judges a trained model on the test part and writes all of its run folder.

    Args:
        model: A `keras.Model` in float32, without an optimizer.
        recipe: How it was trained.
        split: What it was trained on and is tested on.
        history: A row an epoch.
        out: The run folder.
        configuration: For ``run.json`` and the card, with ``image_seed``.
        windows: Whether it was trained on windows on rows of digits, too.

    Raises:
        OutputError: The folder can't be written.
    """
    seed = configuration["image_seed"]
    normalization = recipe.normalization
    test = split.test
    if len(test) > TEST_IMAGES:
        test = test.take(np.sort(np.random.default_rng(seed).permutation(len(test))[:TEST_IMAGES]))
    temperature, threshold = 1.0, 0.0
    if split.validated:
        temperature, threshold = _calibrate(model, recipe, split, seed)
    logits = np.asarray(model.predict(normalization.batch(test.images), batch_size=256, verbose=0), np.float32)
    probabilities = softmax(logits / temperature)
    digits = len(test.class_names)
    correct = int((probabilities[:, :digits].argmax(axis=1) == test.labels).sum())
    low, high = wilson(correct, len(test))
    labels = test.class_names + (REFUSALS if recipe.reject else ())
    card = ModelCard(
        name=recipe.model,
        format="keras",
        labels=labels,
        input=TensorSpec((normalization.size, normalization.size, 1)),
        output=TensorSpec((len(labels),)),
        normalization=normalization,
        temperature=temperature,
        reject_threshold=threshold,
        parameters=int(model.count_params()),
        macs=count_macs(model),
        training=configuration,
        windows=windows,
        accuracy={
            "value": correct / len(test),
            "n": len(test),
            "correct": correct,
            "ci95": [low, high],
            "data": test.provenance.get("source", "held-back part"),
        },
    )
    with files.whole_file(out / "model.keras") as temporary:
        model.save(temporary)
    card = card.save(out / "model.keras")
    files.write_json(out / "run.json", configuration)
    _write_history(out / "history.csv", history)
    _write_images(out / "test.npz", test)
    _write_images(out / "calibration.npz", _calibration_part(split.train, seed))
    return Run(out, card, history, test, probabilities)


def _calibrate(model: Any, recipe: Recipe, split: Split, seed: int) -> tuple[float, float]:
    """Finds temperature and threshold on the validation part, clean and, if the recipe augments, seen by a camera.

    Before that it lowers the score of what is no digit in `model` where it takes too many digits.
    """
    clean = recipe.normalization.batch(split.watched.images)
    inputs, labels = [clean], [split.watched.labels]
    if recipe.augment:
        seen = Mixture([Part(split.watched)], recipe.normalization, augmented=True, seed=seed + 1, reject=False)
        images, truth = as_input(seen.make(0)), seen.labels(seen.picks(0))
        inputs, labels = [clean, images], [split.watched.labels, truth]
    truth = np.concatenate(labels)
    logits = np.asarray(model.predict(np.concatenate(inputs), batch_size=256, verbose=0), np.float32)
    if recipe.reject:
        digits = len(split.test.class_names)
        excess = none_excess(logits[:, :digits], logits[:, digits:], truth)
        logits[:, digits:] -= excess
        kernel, bias = model.layers[-1].get_weights()
        bias[digits:] -= excess
        model.layers[-1].set_weights([kernel, bias])
    temperature = fit_temperature(logits, truth)
    accepted = softmax(logits[: len(clean)] / temperature)
    return temperature, reject_threshold(accepted[:, : len(split.test.class_names)], split.watched.labels)


def _calibration_part(parts: Sequence[Part], seed: int) -> Dataset:
    """Takes images of the first part, alike from each class, for quantization to see."""
    data = parts[0].data
    rng = np.random.default_rng(seed)
    each = math.ceil(CALIBRATION_IMAGES / len(np.unique(data.labels)))
    chosen = [rng.permutation(np.flatnonzero(data.labels == label))[:each] for label in np.unique(data.labels)]
    return data.take(np.concatenate(chosen))


def _write_history(path: Path, history: Sequence[EpochRow]) -> None:
    names = [name for name in HISTORY if all(name in row for row in history)]
    rows = [",".join(names)] + [",".join(f"{row[name]:.6g}" for name in names) for row in history]
    files.write_bytes(path, ("\n".join(rows) + "\n").encode())


def _write_images(path: Path, data: Dataset) -> None:
    with files.whole_file(path) as temporary:
        np.savez_compressed(temporary, images=data.images, labels=data.labels)
