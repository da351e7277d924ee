"""Spreads a training over accelerators or machines by `tf.distribute`. Knows no model and no data.

``"one"`` leaves the work to Keras and whatever backend it has; ``"mirrored"`` copies the model onto
every accelerator of this machine; ``"multiworker"`` onto every machine that the variable TF_CONFIG
names, each of which runs the same command.
"""

import contextlib
import json
import os
from typing import Any, Literal, get_args

from edgits.errors import ModelError, require

Strategy = Literal["one", "mirrored", "multiworker"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def scope(strategy: Strategy) -> contextlib.AbstractContextManager[Any]:
    """Returns the context in which to build and compile the model.

    Raises:
        ModelError: The Keras backend isn't TensorFlow, or TF_CONFIG doesn't name the workers.
    """
    if strategy == "one":
        return contextlib.nullcontext()
    keras = require("keras", extra="train")
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"--strategy {strategy} needs KERAS_BACKEND=tensorflow, found {keras.backend.backend()}; change one of them"
        )
    distribute = require("tensorflow", extra="train").distribute
    if strategy == "multiworker":
        _check_workers()
    chosen = distribute.MirroredStrategy() if strategy == "mirrored" else distribute.MultiWorkerMirroredStrategy()
    context: contextlib.AbstractContextManager[Any] = chosen.scope()
    return context


def _check_workers() -> None:
    try:
        found = json.loads(os.environ.get("TF_CONFIG", ""))
        workers, index = found["cluster"]["worker"], found["task"]["index"]
        if not 0 <= index < len(workers):
            raise ValueError(f"worker {index} of {len(workers)}")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"--strategy multiworker needs TF_CONFIG with cluster.worker and task.index, found {error}; "
            'set for example TF_CONFIG=\'{"cluster": {"worker": ["one:2222", "two:2222"]}, '
            '"task": {"type": "worker", "index": 0}}\''
        ) from error
