"""The Keras pieces of a training: schedule, loss, batches, the recorder of epochs. Writes no files."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.train.mixture import VARIANTS, Mixture
from edgits.train.recipes import Recipe

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


def loss(keras: Any, classes: int, smoothing: float) -> Any:
    """Cross-entropy of integer labels with smoothing, which Keras has for one-hot labels only."""

    def loss(labels: Any, logits: Any) -> Any:
        flat = keras.ops.reshape(keras.ops.cast(labels, "int32"), (-1,))
        target = keras.ops.one_hot(flat, classes)
        target = target * (1 - smoothing) + smoothing / classes
        return keras.losses.categorical_crossentropy(target, logits, from_logits=True)

    return loss


def batches(keras: Any, mixture: Mixture, batch_size: int) -> Any:
    """Returns the mixture as a `keras.utils.PyDataset`; images are made by two threads beside the training."""

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__(workers=2, max_queue_size=16)
            self._number = 0
            self._picks = mixture.epoch(0)

        def __len__(self) -> int:
            return -(-len(self._picks) // batch_size)

        def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
            picks = self._picks[index * batch_size : (index + 1) * batch_size]
            return mixture.batch(picks, variant=self._number % VARIANTS)

        def on_epoch_end(self) -> None:
            self._number += 1
            self._picks = mixture.epoch(self._number)

    return Batches()


def recorder(
    keras: Any,
    epochs: int,
    steps: int,
    on_batch: Callable[[int, int, float], None] | None,
    on_epoch: Callable[[EpochRow], None] | None,
) -> Any:
    """Returns a callback that keeps a row an epoch in `rows` and tells of each batch and epoch."""

    class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[EpochRow] = []
            self._begin = self._epoch_begin = time.monotonic()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            self._epoch_begin = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
            if on_batch:
                done = len(self.rows) * steps + batch + 1
                left = (time.monotonic() - self._begin) * (epochs * steps / done - 1)
                on_batch(len(self.rows) + 1, batch + 1, left)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = {"epoch": float(epoch + 1)}
            row |= {name: float(logs[name]) for name in ("accuracy", "loss", "val_accuracy", "val_loss")}
            row["seconds"] = time.monotonic() - self._epoch_begin
            self.rows.append(row)
            if on_epoch:
                on_epoch(row)

    return Recorder()
