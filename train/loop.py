"""The Keras pieces of a training: schedule, batches with their targets, the recorder of epochs. Writes no files."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.train.recipes import Recipe
from edgits.train.teacher import Teacher
from edgits.train.variants import Variants, as_input

EpochRow = dict[str, float]
OnBatch = Callable[[int, int, float], None]  # takes the epoch from 1, its steps done, the seconds left of the training
OnWait = Callable[[int, float, float], None]  # takes the epoch, the share of its images made, the seconds until all are


@dataclass(frozen=True)
class Told:
    """Who is told how a training goes; see `edgits.train.fit.fit_run`."""

    on_wait: OnWait | None = None
    on_batch: OnBatch | None = None
    on_epoch: Callable[[EpochRow], None] | None = None


_WARM_UP = 0.05  # share of the steps over which a cosine schedule rises


def schedule(keras: Any, recipe: Recipe, steps: int) -> Any:
    """Returns the learning rate over a training of `steps` an epoch: a number, or a warm-up and a cosine."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    total = steps * recipe.epochs
    warm_up = max(1, int(_WARM_UP * total))
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, max(1, total - warm_up), warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )


def one_hot(labels: npt.NDArray[np.int64], classes: int, smoothing: float = 0.0) -> npt.NDArray[np.float32]:
    """Returns targets float32 (N, classes) that leave `smoothing` of each to all classes alike."""
    return np.asarray(np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes, np.float32)


def batches(
    keras: Any,
    variants: Variants,
    recipe: Recipe,
    *,
    classes: int,
    teacher: Teacher | None,
    first_epoch: int,
    told: Told,
) -> Any:
    """Returns the training images with their targets as a `keras.utils.PyDataset`, from `first_epoch` on.

    Its attribute ``waited`` counts the seconds that went into getting images, targets and a
    teacher's answers ready. Where Keras trains on one batch while it asks for the next, the
    training has waited for less than that, never for more.
    """
    mixture, on_wait = variants.mixture, told.on_wait

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self._epoch = first_epoch
            self.waited = 0.0
            self._load()

        def __len__(self) -> int:
            return -(-len(self._order) // recipe.batch_size)

        def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
            begin = time.monotonic()
            rows = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
            batch = as_input(self._images[rows]), self._targets[rows]
            self.waited += time.monotonic() - begin
            return batch

        def on_epoch_end(self) -> None:
            self._epoch += 1
            if self._epoch < recipe.epochs:
                self._load()

        def _load(self) -> None:
            begin, epoch, number = time.monotonic(), self._epoch + 1, self._epoch % variants.count
            picks = mixture.picks(number)
            tell = (lambda share, left: on_wait(epoch, share, left)) if on_wait else None
            self._order, self._images = mixture.order(self._epoch), variants.get(number, tell)
            self._targets = one_hot(mixture.labels(picks), classes, recipe.label_smoothing)
            taught = mixture.taught(picks)
            if teacher and taught.any():
                said = teacher.answers(self._images, taught, variants.folder, number)
                self._targets[taught] += np.float32(recipe.distillation) * (said - self._targets[taught])
            self.waited += time.monotonic() - begin

    return Batches()


def recorder(
    keras: Any,
    rows: list[EpochRow],
    recipe: Recipe,
    data: Any,
    *,
    begin: float,
    told: Told,
) -> Any:
    """Returns a callback that adds a row an epoch to `rows` and tells of each batch and epoch.

    Args:
        keras: The module.
        rows: The epochs so far.
        recipe: Says how many there will be.
        data: The `batches`.
        begin: When the first epoch's images were asked for, by `time.monotonic`.
        told: Who is told.
    """

    class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self._before = len(rows)
            self._epoch_begin, self._waited = begin, 0.0
            self._training = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            if told.on_batch:
                done = (len(rows) - self._before) * len(data) + batch + 1
                wanted = (recipe.epochs - self._before) * len(data)
                told.on_batch(len(rows) + 1, batch + 1, (time.monotonic() - self._training) * (wanted / done - 1))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {"epoch": float(epoch + 1)}
            row |= {name: float(logs[name]) for name in ("accuracy", "loss", "val_accuracy", "val_loss")}
            now = time.monotonic()
            row |= {"seconds": now - self._epoch_begin, "waited": data.waited - self._waited}
            self._epoch_begin, self._waited = now, data.waited
            rows.append(row)
            if told.on_epoch:
                told.on_epoch(row)

    return Recorder()


def seeder(keras: Any, seed: int) -> Any:
    """Returns a callback that seeds the backend anew for each epoch.

    PyTorch's dropout draws from one generator for all, which no checkpoint holds; so a training that goes on
    draws what an uninterrupted one does.
    """

    class Seeder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            keras.utils.set_random_seed(seed + epoch)

    return Seeder()


def checkpointer(keras: Any, keep: Callable[[Any], None], stop: Callable[[], bool]) -> Any:
    """Returns a callback that gives the model to `keep` after each epoch, and ends the training once `stop` says so."""

    class Checkpointer(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            keep(self.model)
            if stop():
                self.model.stop_training = True

    return Checkpointer()
