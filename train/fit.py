"""Fits a model by a recipe and writes the run folder: model, card, configuration, history, test part.

Keras alone is used, so that the same recipe runs on TensorFlow, JAX or PyTorch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import __version__, files
from edgits.card import NONE_LABEL, ModelCard, TensorSpec
from edgits.dataset import Dataset
from edgits.errors import ModelError, require
from edgits.stats import softmax, wilson
from edgits.train import loop
from edgits.train.calibrate import fit_temperature, reject_threshold
from edgits.train.checkpoint import Checkpoint
from edgits.train.data import check_trainable, stratified_split
from edgits.train.loop import EpochRow
from edgits.train.mixture import Mixture, Part
from edgits.train.models import build, count_macs
from edgits.train.recipes import Recipe
from edgits.train.spread import Strategy, scope
from edgits.train.teacher import Teacher, load_keras
from edgits.train.variants import Variants, as_input

CALIBRATION_IMAGES = 500
TEST_IMAGES = 10_000


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        folder: The run folder.
        card: The model's card.
        history: A row an epoch: epoch, accuracy, loss, val_accuracy, val_loss, seconds.
        test: The part that was held back, raw.
        probabilities: float32 (N, classes) of the test part.
    """

    folder: Path
    card: ModelCard
    history: list[EpochRow]
    test: Dataset
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """The parts of the data: trained on, only watched, held back."""

    train: list[Part]
    watched: Dataset
    test: Dataset
    validated: bool


def split_parts(parts: Sequence[Part], test: Dataset | None, recipe: Recipe, seed: int) -> Split:
    """Splits data as a recipe says.

    Args:
        parts: Digits; the first part gives the test part where `test` is None.
        test: Held-back data, or None.
        recipe: Says the fractions.
        seed: The same seed gives the same split.

    Raises:
        DataError: A part has too few classes or images.
    """
    for part in parts:
        check_trainable(part.data)
    remaining = list(parts)
    if test is None:
        kept, held = stratified_split(parts[0].data.labels, recipe.test_fraction, seed)
        test = parts[0].data.take(held)
        remaining[0] = replace(parts[0], data=parts[0].data.take(kept))
    if recipe.validation_fraction == 0:
        return Split(remaining, test, test, validated=False)
    kept, watched = stratified_split(remaining[0].data.labels, recipe.validation_fraction, seed + 1)
    validation = remaining[0].data.take(watched)
    remaining[0] = replace(remaining[0], data=remaining[0].data.take(kept))
    return Split(remaining, validation, test, validated=True)


def fit_run(
    parts: Sequence[Part],
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 1,
    image_seed: int | None = None,
    test: Dataset | None = None,
    rejects: Sequence[npt.NDArray[np.uint8]] = (),
    start: Path | None = None,
    teacher: Path | None = None,
    variants: Path | None = None,
    resume: bool = False,
    strategy: Strategy = "one",
    command: str = "",
    on_batch: Callable[[int, int, float], None] | None = None,
    on_epoch: Callable[[EpochRow], None] | None = None,
) -> Run:
    """Trains and writes a run folder.

    Args:
        parts: Digits and their weights.
        recipe: How to train.
        out: The run folder; until the training is done it holds a checkpoint alone.
        seed: The same seed gives the same model on the same machine.
        image_seed: Seed of the split and of how images are varied; by default `seed`.
        test: Held-back data; by default a share of the first part.
        rejects: Sets of images that are no digits, uint8 (N, H, W) each.
        start: A `.keras` file whose weights to begin with; by default fresh ones.
        teacher: A `.keras` file whose answers to learn from beside the labels.
        variants: Folder in which the varied images are kept for other trainings; by default they are
            kept with the checkpoint.
        resume: Whether to go on with the unfinished training in `out`, if there is one.
        strategy: How the work is spread; see `edgits.train.spread`.
        command: The command line, for the configuration.
        on_batch: Called with the epoch from 1, its steps done, and the seconds left of the whole training.
        on_epoch: Called with each epoch's row.

    Raises:
        DataError: The data can't be trained on.
        ModelError: A model to start from or to learn from doesn't fit, or `out` holds another training.
        OutputError: The run folder can't be written, or holds an unfinished training.
    """
    keras = require("keras", extra="train")
    image_seed = seed if image_seed is None else image_seed
    split = split_parts(parts, test, recipe, image_seed)
    mixture = Mixture(
        split.train,
        recipe.normalization,
        augmented=recipe.augment,
        seed=image_seed,
        reject=recipe.reject,
        rejects=rejects,
    )
    asked = _configuration(recipe, split, seed=seed, image_seed=image_seed, start=start, teacher=teacher)
    checkpoint = Checkpoint(out)
    checkpoint.begin(asked, resume=resume)
    steps = -(-len(mixture) // recipe.batch_size)
    classes = split.test.class_names + ((NONE_LABEL,) if recipe.reject else ())
    rows: list[EpochRow] = []
    with Variants(mixture, variants or checkpoint.folder / "variants", count=recipe.epochs) as images:
        keras.utils.set_random_seed(seed)
        with scope(strategy):
            if checkpoint.exists():
                model, rows = checkpoint.load(steps)
            else:
                model = _compiled(keras, recipe, len(classes), steps, start)
        if not _finished(rows, recipe):
            _fit(keras, model, images, recipe, split, rows, checkpoint, teacher, on_batch=on_batch, on_epoch=on_epoch)
    if recipe.patience:
        checkpoint.restore_best(model)
    plain = build(recipe.model, size=recipe.normalization.size, classes=len(classes))
    plain.set_weights(model.get_weights())  # in float32, without an optimizer
    run = _write(plain, recipe, split, rows, out, asked | {"command": command, "strategy": strategy})
    checkpoint.remove()
    return run


def _compiled(keras: Any, recipe: Recipe, classes: int, steps: int, start: Path | None) -> Any:
    """Builds the model in the recipe's precision, with the weights to start from."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = build(recipe.model, size=recipe.normalization.size, classes=classes)
    finally:
        keras.config.set_dtype_policy(before)
    if start:
        begun = load_keras(start)
        if [weight.shape for weight in begun.weights] != [weight.shape for weight in model.weights]:
            raise ModelError(
                f"'{start}' has {begun.count_params():,} parameters in other shapes than the recipe's model "
                f"'{recipe.model}' ({model.count_params():,}); give a model of that tier with the same outputs"
            )
        model.set_weights(begun.get_weights())
    model.compile(
        optimizer=keras.optimizers.Adam(loop.schedule(keras, recipe, steps)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    return model


def _fit(
    keras: Any,
    model: Any,
    images: Variants,
    recipe: Recipe,
    split: Split,
    rows: list[EpochRow],
    checkpoint: Checkpoint,
    teacher: Path | None,
    *,
    on_batch: Callable[[int, int, float], None] | None,
    on_epoch: Callable[[EpochRow], None] | None,
) -> None:
    """Trains the epochs that are left, keeping a checkpoint after each."""
    taught = Teacher(teacher) if teacher else None
    if taught:
        taught.check(model)
    classes = model.output_shape[-1]
    data = loop.batches(keras, images, recipe, classes=classes, teacher=taught, first_epoch=len(rows))
    watched = recipe.normalization.batch(split.watched.images), loop.one_hot(split.watched.labels, classes)
    record = loop.recorder(keras, rows, recipe.epochs, len(data), on_batch=on_batch, on_epoch=on_epoch)
    keep = loop.checkpointer(
        keras,
        lambda trained: checkpoint.save(trained, rows, best=bool(recipe.patience) and _best(rows) == len(rows)),
        lambda: _finished(rows, recipe),
    )
    model.fit(
        data,
        validation_data=watched,
        validation_batch_size=256,
        initial_epoch=len(rows),
        epochs=recipe.epochs,
        verbose=0,
        callbacks=[record, keep],
    )


def _best(rows: Sequence[EpochRow]) -> int:
    """Returns the epoch, from 1, of the least validation loss; 0 where there is none."""
    return min(range(1, len(rows) + 1), key=lambda epoch: rows[epoch - 1]["val_loss"], default=0)


def _finished(rows: Sequence[EpochRow], recipe: Recipe) -> bool:
    return len(rows) >= recipe.epochs or 0 < recipe.patience <= len(rows) - _best(rows)


def _configuration(
    recipe: Recipe, split: Split, *, seed: int, image_seed: int, start: Path | None, teacher: Path | None
) -> dict[str, Any]:
    """Says all that decides what a training gives."""
    return {
        "edgits": __version__,
        "recipe": recipe.to_json(),
        "seed": seed,
        "image_seed": image_seed,
        "start": start and files.sha256(start),
        "teacher": teacher and files.sha256(teacher),
        "data": [{"weight": part.weight, "trained_on": len(part.data), **part.data.provenance} for part in split.train],
        "validation": len(split.watched) if split.validated else 0,
        "test": min(len(split.test), TEST_IMAGES),
    }


def _write(
    model: Any,
    recipe: Recipe,
    split: Split,
    history: list[EpochRow],
    out: Path,
    configuration: dict[str, Any],
) -> Run:
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
    labels = test.class_names + ((NONE_LABEL,) if recipe.reject else ())
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
    """Finds temperature and threshold on the validation part, clean and, if the recipe augments, seen by a camera."""
    clean = recipe.normalization.batch(split.watched.images)
    inputs, labels = [clean], [split.watched.labels]
    if recipe.augment:
        seen = Mixture([Part(split.watched)], recipe.normalization, augmented=True, seed=seed + 1, reject=False)
        images, truth = as_input(seen.make(0)), seen.labels(seen.picks(0))
        inputs, labels = [clean, images], [split.watched.labels, truth]
    truth = np.concatenate(labels)
    logits = np.asarray(model.predict(np.concatenate(inputs), batch_size=256, verbose=0), np.float32)
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
    names = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds")
    rows = [",".join(names)] + [",".join(f"{row[name]:.6g}" for name in names) for row in history]
    files.write_bytes(path, ("\n".join(rows) + "\n").encode())


def _write_images(path: Path, data: Dataset) -> None:
    with files.whole_file(path) as temporary:
        np.savez_compressed(temporary, images=data.images, labels=data.labels)
