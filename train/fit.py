"""Fits a model by a recipe, so that an interrupted training can go on, and has the run folder written.

Keras alone is used, so that the same recipe runs on TensorFlow, JAX or PyTorch.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import __version__, files
from edgits.card import REFUSALS
from edgits.dataset import Dataset
from edgits.errors import ModelError, require
from edgits.images import Image
from edgits.train import loop, spread
from edgits.train.checkpoint import Checkpoint
from edgits.train.loop import EpochRow, OnBatch, OnWait, Told
from edgits.train.mixture import Mixture, Part
from edgits.train.models import build
from edgits.train.recipes import Recipe
from edgits.train.runfolder import TEST_IMAGES, Run, write_run
from edgits.train.split import Split, split_parts
from edgits.train.spread import Spread, Strategy
from edgits.train.teacher import Teacher, load_keras
from edgits.train.variants import Variants

__all__ = ["Run", "copy_model", "fit_run"]


def fit_run(
    parts: Sequence[Part],
    recipe: Recipe,
    out: Path,
    *,
    seed: int = 1,
    image_seed: int | None = None,
    test: Dataset | None = None,
    rejects: Sequence[npt.NDArray[np.uint8]] = (),
    words: Sequence[Image] = (),
    start: Path | None = None,
    teacher: Path | None = None,
    variants: Path | None = None,
    resume: bool = False,
    strategy: Strategy = "one",
    command: str = "",
    on_wait: OnWait | None = None,
    on_batch: OnBatch | None = None,
    on_epoch: Callable[[EpochRow], None] | None = None,
    finish: Callable[[Run], None] | None = None,
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
        words: Words of letters, uint8 (H, W) each, for windows that show no digit; see `Mixture`.
        start: A `.keras` file of which to take layers and weights; by default the recipe's model with fresh ones.
        teacher: A `.keras` file whose answers to learn from beside the labels.
        variants: Folder in which the varied images are kept for other trainings; by default they are
            kept with the checkpoint.
        resume: Whether to go on with the unfinished training in `out`, if there is one.
        strategy: How the work is spread; see `edgits.train.spread`. Of several machines the first writes `out`,
            and the folder of another one's run is gone when this returns.
        command: The command line, for the configuration.
        on_wait: Called while the training waits for its images with the epoch from 1, the share of them
            that is made, and the seconds until all are; NaN where that isn't known yet.
        on_batch: Called with the epoch from 1, its steps done, and the seconds left of the whole training.
        on_epoch: Called with each epoch's row.
        finish: Called with the run before the checkpoint is taken away: what it writes is made up for
            when it is interrupted.

    Raises:
        DataError: The data can't be trained on.
        ModelError: A model to start from or to learn from doesn't fit, or `out` holds another training.
        OutputError: The run folder can't be written, or holds an unfinished training.
    """
    keras = require("keras", extra="train")
    over = spread.begin(strategy)
    over.check(recipe.batch_size)
    image_seed = seed if image_seed is None else image_seed
    split = split_parts(parts, test, recipe, image_seed)
    mixture = Mixture(
        split.train,
        recipe.normalization,
        augmented=recipe.augment,
        seed=image_seed,
        reject=recipe.reject,
        windows=recipe.windows,
        rejects=rejects,
        words=words,
    )
    asked = _configuration(recipe, split, seed=seed, image_seed=image_seed, start=start, teacher=teacher)
    checkpoint = Checkpoint(out, kept=over.leads)
    checkpoint.begin(asked, resume=resume)
    steps = -(-len(mixture) // recipe.batch_size)
    classes = split.test.class_names + (REFUSALS if recipe.reject else ())
    rows: list[EpochRow] = []
    with over.place(out) as place:
        folder = variants or (checkpoint.folder if over.leads else place) / "variants"
        count = min(recipe.epochs, recipe.variants) if recipe.augment else 1
        with Variants(mixture, folder, count=count) as images:
            keras.utils.set_random_seed(seed)
            with over.scope():
                if checkpoint.exists():
                    model, rows = checkpoint.load(steps)
                else:
                    model = _compiled(keras, recipe, len(classes), steps, start)
            over.check_alike(len(rows))
            if not _finished(rows, recipe):
                taught = Teacher(teacher, model.output_shape[-1]) if teacher else None
                told = Told(on_wait, on_batch, on_epoch)
                _fit(keras, model, images, recipe, split.watched, rows, checkpoint, taught, over, told, seed)
        if recipe.patience and over.leads:
            checkpoint.restore_best(model)
        plain = copy_model(keras, model, "float32")
        about = asked | {"command": command, "strategy": strategy}
        run = write_run(plain, recipe, split, rows, place, about, windows=mixture.windows)
        if finish:
            finish(run)
    checkpoint.remove()
    return run


def copy_model(keras: Any, model: Any, precision: str) -> Any:
    """Returns a model of the same layers and weights, without an optimizer.

    Args:
        keras: The module.
        model: The model; its last layer, the scores, stays in float32.
        precision: ``"float32"`` or ``"mixed_bfloat16"``.
    """

    def layer(found: Any) -> Any:
        config = found.get_config()
        if found is not model.layers[-1]:
            config["dtype"] = precision
        return type(found).from_config(config)

    copy = keras.models.clone_model(model, clone_function=layer)
    copy.set_weights(model.get_weights())
    copy.optimizer, copy.compiled = None, False  # some versions of Keras copy that, too, but not its state
    return copy


def _compiled(keras: Any, recipe: Recipe, classes: int, steps: int, start: Path | None) -> Any:
    """Builds the model in the recipe's precision, or takes that to start from."""
    if start:
        begun = load_keras(start, classes)
        size = recipe.normalization.size
        if (begun.input_shape, begun.output_shape) != ((None, size, size, 1), (None, classes)):
            raise ModelError(
                f"'{start}' takes {begun.input_shape[1:]} and gives {begun.output_shape[-1]} scores, the recipe wants "
                f"{(size, size, 1)} and {classes}; start from another model"
            )
        model = copy_model(keras, begun, recipe.precision)
    else:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(recipe.precision)
        try:
            model = build(recipe.model, size=recipe.normalization.size, classes=classes)
        finally:
            keras.config.set_dtype_policy(before)
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
    watched: Dataset,
    rows: list[EpochRow],
    checkpoint: Checkpoint,
    teacher: Teacher | None,
    over: Spread,
    told: Told,
    seed: int,
) -> None:
    """Trains the epochs that are left, keeping a checkpoint after each."""
    if teacher:
        teacher.check(model)
    begin, first, classes = time.monotonic(), len(rows), model.output_shape[-1]
    data = loop.batches(keras, images, recipe, classes=classes, teacher=teacher, first_epoch=first, told=told)
    judged = recipe.normalization.batch(watched.images), loop.one_hot(watched.labels, classes)
    callbacks = [
        loop.recorder(keras, rows, recipe, data, begin=begin, told=told),
        loop.checkpointer(
            keras,
            lambda trained: checkpoint.save(trained, rows, best=bool(recipe.patience) and _best(rows) == len(rows)),
            lambda: _finished(rows, recipe),
        ),
    ]
    if over.over:
        over.fit(model, data, judged, first_epoch=first, epochs=recipe.epochs, callbacks=callbacks)
        return
    model.fit(
        data,
        validation_data=judged,
        validation_batch_size=256,
        initial_epoch=first,
        epochs=recipe.epochs,
        shuffle=False,  # each epoch has an order of its own, which a training that goes on finds again
        verbose=0,
        callbacks=[loop.seeder(keras, seed), *callbacks],
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
        "images": _digest(split.train),
        "validation": len(split.watched) if split.validated else 0,
        "test": min(len(split.test), TEST_IMAGES),
    }


def _digest(parts: Sequence[Part]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.data.images.tobytes())
        found.update(part.data.labels.tobytes())
    return found.hexdigest()
