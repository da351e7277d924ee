"""Spreads a training over accelerators or machines by `tf.distribute`. Knows no data.

``"one"`` leaves the work to Keras and whatever backend it has; ``"mirrored"`` copies the model onto
every accelerator of this machine; ``"multiworker"`` onto every machine that the variable TF_CONFIG
names, each of which runs the same command. These two have a loop of their own, since
`keras.Model.fit` of Keras 3.15 fails under `MultiWorkerMirroredStrategy`.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgits.errors import ModelError, require

Strategy = Literal["one", "mirrored", "multiworker"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Floats = npt.NDArray[np.float32]
_WATCHED_BATCH = 256


@dataclass(frozen=True)
class Spread:
    """Where a training runs.

    Attributes:
        over: A `tf.distribute.Strategy`, or None where Keras does all.
        worker: Number of this machine.
        workers: Number of machines.
    """

    over: Any = None
    worker: int = 0
    workers: int = 1

    @property
    def leads(self) -> bool:
        """Whether this machine writes the run folder."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context in which to build and compile the model."""
        return self.over.scope() if self.over else contextlib.nullcontext()

    @contextlib.contextmanager
    def place(self, out: Path) -> Iterator[Path]:
        """Gives the run folder `out` where this machine writes it, else a folder that is removed at the end."""
        if self.leads:
            yield out
        else:
            with tempfile.TemporaryDirectory(prefix="edgits-worker-") as folder:
                yield Path(folder)

    def check(self, batch_size: int) -> None:
        """Raises `ModelError` if a batch has less than an image for each copy of the model."""
        copies = self.over.num_replicas_in_sync if self.over else 1
        if batch_size < copies:
            raise ModelError(
                f"a batch of {batch_size} can't be shared by {copies} copies of the model; give --batch-size {copies} "
                "or more"
            )

    def check_alike(self, epochs: int) -> None:
        """Raises `ModelError` if the machines don't go on from the same epoch."""
        if self.workers == 1:
            return
        tf = require("tensorflow", extra="train")
        context = tf.distribute.get_replica_context
        gather = tf.function(lambda: self.over.run(lambda: context().all_gather(tf.constant([epochs]), axis=0)))
        found = np.unique(np.asarray(self.over.experimental_local_results(gather())[0]))
        if len(found) > 1:
            raise ModelError(
                f"the machines go on from different epochs ({', '.join(map(str, found))}); "
                "--resume needs a run folder that all of them see, on a shared disk"
            )

    def fit(
        self,
        model: Any,
        data: Any,
        watched: tuple[Floats, Floats],
        *,
        first_epoch: int,
        epochs: int,
        callbacks: Sequence[Any],
    ) -> None:
        """Trains a compiled model built in `scope`, as `keras.Model.fit` does where one device does all.

        A batch is shared by all copies of the model: their number changes the speed, not the steps. Each copy
        normalises by its own share; the moving averages for use are brought together after each epoch.

        Args:
            model: The model.
            data: A `keras.utils.PyDataset` of batches, the same on every machine.
            watched: Images and targets to judge each epoch by.
            first_epoch: Number of the first epoch, from 0.
            epochs: Number of the epoch to stop before.
            callbacks: Keras callbacks; of their methods only ``on_train_batch_end`` and ``on_epoch_end`` are called.

        Raises:
            ModelError: A machine was lost.
        """
        tf = require("tensorflow", extra="train")
        try:
            self._fit(tf, model, data, watched, range(first_epoch, epochs), callbacks)
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ModelError(f"a machine of the training was lost: {reason}; start all again with --resume") from error

    def _fit(
        self, tf: Any, model: Any, data: Any, watched: tuple[Floats, Floats], epochs: range, callbacks: Sequence[Any]
    ) -> None:
        with self.over.scope():
            model.optimizer.build(model.trainable_variables)  # while each copy of the model is reached
        step, gather = self._step(tf, model), self._gather(tf, model)
        answer = tf.function(lambda images: model(images, training=False), reduce_retracing=True, autograph=False)
        for callback in callbacks:
            callback.set_model(model)
        model.stop_training = False
        for epoch in epochs:
            sums, seen = np.zeros(2), 0
            for index in range(len(data)):
                images, targets = data[index]
                rows = np.arange(max(len(images), self.over.num_replicas_in_sync)) % len(images)
                dealt = (self._deal(tf, part[rows]) for part in (images, targets))
                sums += [float(total) for total in step(*dealt, len(rows))]
                seen += len(rows)
                for callback in callbacks:
                    callback.on_train_batch_end(index)
            data.on_epoch_end()
            gather()
            logs = dict(zip(("loss", "accuracy"), sums / seen, strict=True)) | _judge(model, answer, watched)
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)
            if model.stop_training:
                break

    def _deal(self, tf: Any, values: Floats) -> Any:
        """Deals the rows of a batch to the copies of the model."""
        copies = self.over.num_replicas_in_sync
        return self.over.experimental_distribute_values_from_function(
            lambda context: tf.constant(values[context.replica_id_in_sync_group :: copies])
        )

    def _step(self, tf: Any, model: Any) -> Callable[..., Any]:
        """Returns a step on a batch of `count` images; it gives the sums of their losses and of right answers."""

        def replica(images: Any, targets: Any, count: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                logits = model(images, training=True)
                # of each image: the mean that Keras takes is already divided by the number of copies
                total = tf.reduce_sum(model.loss.call(targets, logits))
                shared = total / tf.cast(count, tf.float32)  # its optimizer adds up the gradients of all copies
            model.optimizer.apply(tape.gradient(shared, model.trainable_variables), model.trainable_variables)
            right = tf.argmax(logits, axis=1) == tf.argmax(targets, axis=1)
            return total, tf.reduce_sum(tf.cast(right, tf.float32))

        def step(images: Any, targets: Any, count: Any) -> Any:
            sums = self.over.run(replica, args=(images, targets, count))
            return [self.over.reduce("SUM", part, axis=None) for part in sums]

        compiled = tf.function(step, reduce_retracing=True, autograph=False)
        return lambda images, targets, count: compiled(images, targets, tf.constant(count))

    def _gather(self, tf: Any, model: Any) -> Callable[[], None]:
        """Returns what gives every copy the mean of the moving averages, so that all judge alike."""

        def replica() -> None:
            context = tf.distribute.get_replica_context()
            for variable in model.non_trainable_weights:
                variable.assign(context.all_reduce("MEAN", variable.value))

        compiled: Callable[[], None] = tf.function(lambda: self.over.run(replica), autograph=False)
        return compiled


def begin(strategy: Strategy) -> Spread:
    """Takes up a strategy. With ``"multiworker"`` this waits until all machines are there.

    TensorFlow wants this before anything else is computed in the process.

    Raises:
        ModelError: The Keras backend isn't TensorFlow, or TF_CONFIG doesn't name the workers.
    """
    if strategy == "one":
        return Spread()
    keras = require("keras", extra="train")
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"--strategy {strategy} needs KERAS_BACKEND=tensorflow, found {keras.backend.backend()}; change one of them"
        )
    distribute = require("tensorflow", extra="train").distribute
    if strategy == "mirrored":
        return Spread(distribute.MirroredStrategy())
    worker, workers = find_worker()
    return Spread(distribute.MultiWorkerMirroredStrategy(), worker, workers)


def find_worker() -> tuple[int, int]:
    """Returns this machine's number and the number of machines, as TF_CONFIG says.

    Raises:
        ModelError: It says neither.
    """
    try:
        found = json.loads(os.environ["TF_CONFIG"])
        workers, index = found["cluster"]["worker"], found["task"]["index"]
        if found["task"]["type"] != "worker" or not 0 <= index < len(workers):
            raise ValueError(f"{found['task']['type']} {index} of {len(workers)} workers")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"--strategy multiworker needs TF_CONFIG with cluster.worker, task.type and task.index, found {error!r}; "
            'set for example TF_CONFIG=\'{"cluster": {"worker": ["one:2222", "two:2222"]}, '
            '"task": {"type": "worker", "index": 0}}\''
        ) from error
    return int(index), len(workers)


def _judge(model: Any, answer: Callable[..., Any], watched: tuple[Floats, Floats]) -> dict[str, float]:
    """Returns loss and accuracy of the watched images; every machine works them out for itself."""
    images, targets = watched
    logits = np.concatenate(
        [np.asarray(answer(images[at : at + _WATCHED_BATCH])) for at in range(0, len(images), _WATCHED_BATCH)]
    )
    right = logits.argmax(axis=1) == targets.argmax(axis=1)
    return {"val_loss": float(model.loss(targets, logits)), "val_accuracy": float(right.mean())}
