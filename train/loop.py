"""The Keras pieces of a training: schedule, batches with their targets, the recorder of epochs. Writes no files."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.train.recipes import Recipe
from edgits.train.teacher import Teacher
from edgits.train.variants import Variants, as_input

EpochRow = dict[str, float]
_WARM_UP = 0.05  # share of the steps over which a cosine schedule rises


def schedule(keras: Any, recipe: Recipe, steps: int) -> Any:
    """Returns the learning rate over a training of `steps` an epoch: a number, or a warm-up and a cosine."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    total = steps * recipe.epochs
    warm_up = max(1, int(_WARM_UP * total))
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, total - warm_up, warmup_target=recipe.learning_rate, warmup_steps=warm_up
    )


def one_hot(labels: npt.NDArray[np.int64], classes: int, smoothing: float = 0.0) -> npt.NDArray[np.float32]:
    """Returns targets float32 (N, classes) that leave `smoothing` of each to all classes alike."""
    return np.asarray(np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes, np.float32)


def batches(
    keras: Any, variants: Variants, recipe: Recipe, *, classes: int, teacher: Teacher | None, first_epoch: int
) -> Any:
    """Returns the training images with their targets as a `keras.utils.PyDataset`, from `first_epoch` on."""
    mixture = variants.mixture

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self._epoch = first_epoch
            self._load()

        def __len__(self) -> int:
            return -(-len(self._order) // recipe.batch_size)

        def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
            rows = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
            return as_input(self._images[rows]), self._targets[rows]

        def on_epoch_end(self) -> None:
            self._epoch += 1
            if self._epoch < recipe.epochs:
                self._load()

        def _load(self) -> None:
            number = self._epoch % variants.count
            picks = mixture.picks(number)
            self._order, self._images = mixture.order(self._epoch), variants.get(number)
            self._targets = one_hot(mixture.labels(picks), classes, recipe.label_smoothing)
            if teacher:
                said = teacher.answers(self._images, variants.folder, number)
                share = np.float32(recipe.distillation) * mixture.taught(picks)[:, None]
                self._targets += share * (said - self._targets)

    return Batches()


def recorder(
    keras: Any,
    rows: list[EpochRow],
    epochs: int,
    steps: int,
    *,
    on_batch: Callable[[int, int, float], None] | None,
    on_epoch: Callable[[EpochRow], None] | None,
) -> Any:
    """Returns a callback that adds a row an epoch to `rows` and tells of each batch and epoch."""

    class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self._before = len(rows)
            self._begin = self._epoch_begin = time.monotonic()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            self._epoch_begin = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            if on_batch:
                done = (len(rows) - self._before) * steps + batch + 1
                wanted = (epochs - self._before) * steps
                on_batch(len(rows) + 1, batch + 1, (time.monotonic() - self._begin) * (wanted / done - 1))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {"epoch": float(epoch + 1)}
            row |= {name: float(logs[name]) for name in ("accuracy", "loss", "val_accuracy", "val_loss")}
            row["seconds"] = time.monotonic() - self._epoch_begin
            rows.append(row)
            if on_epoch:
                on_epoch(row)

    return Recorder()


def checkpointer(keras: Any, keep: Callable[[Any], None], stop: Callable[[], bool]) -> Any:
    """Returns a callback that gives the model to `keep` after each epoch, and ends the training once `stop` says so."""

    class Checkpointer(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            keep(self.model)
            if stop():
                self.model.stop_training = True

    return Checkpointer()
