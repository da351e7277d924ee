"""Keeps what a training needs to go on after it was interrupted, whenever that was. Knows no data.

A folder holds the model with its optimizer, the rows of the finished epochs and what was asked
for. Each file is whole or absent; the model's own count of steps says which epoch it is from.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from edgits import files
from edgits.errors import ModelError, OutputError, require

Row = dict[str, float]


class Checkpoint:
    """The checkpoint of a run.

    Args:
        run: The run folder; the checkpoint is its folder ``checkpoint``.
        kept: Whether this process writes it; of several machines that train together, one does.
    """

    def __init__(self, run: Path, *, kept: bool = True) -> None:
        self.folder = run / "checkpoint"
        self._kept = kept
        self._model, self._rows = self.folder / "model.keras", self.folder / "rows.json"
        self._asked, self._best = self.folder / "asked.json", self.folder / "best.keras"

    def exists(self) -> bool:
        """Tells whether there is a training to go on with."""
        return self._model.is_file()

    def begin(self, asked: dict[str, Any], *, resume: bool) -> None:
        """Makes the folder, or checks that what is asked for is what the checkpoint was made with.

        Raises:
            OutputError: There is an unfinished training and `resume` is false.
            ModelError: The training to go on with was another one.
        """
        if not self.exists():
            if self._kept:
                files.make_folder(self.folder)
                files.write_json(self._asked, asked)
            return
        if not resume:
            raise OutputError(
                f"'{self.folder.parent}' holds an unfinished training; go on with it by --resume, or delete the folder"
            )
        before, now = json.loads(self._asked.read_text()), json.loads(json.dumps(asked))
        if others := [key for key in before if before[key] != now.get(key)]:
            was, wanted = _difference(before[others[0]], now.get(others[0]), others[0])
            raise ModelError(
                f"the training in '{self.folder.parent}' began with {was}, now it is {wanted}; "
                "ask for the same, or choose another folder with --out"
            )

    def save(self, model: Any, rows: list[Row], *, best: bool) -> None:
        """Keeps the model as it is after the epochs in `rows`; `best` says that it is the best so far."""
        if not self._kept:
            return
        known = json.loads(self._rows.read_text()) if self._rows.is_file() else []
        seeds = [variable.numpy().tolist() for variable in _seed_variables(model)]
        known = [*known[: len(rows) - 1], rows[-1] | {"seeds": seeds}]
        files.write_json(self._rows, known)  # first: rows too many are cut off again by the model's steps
        if best:
            with files.whole_file(self._best) as temporary:
                model.save(temporary, include_optimizer=False)
        with files.whole_file(self._model) as temporary:
            model.save(temporary)

    def load(self, steps: int) -> tuple[Any, list[Row]]:
        """Returns the compiled model and the rows of its epochs; `steps` is the number of an epoch.

        Raises:
            ModelError: The files are damaged.
        """
        keras = require("keras", extra="train")
        try:
            model = keras.models.load_model(self._model)
            rows = json.loads(self._rows.read_text())[: int(model.optimizer.iterations.numpy()) // steps]
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ModelError(
                f"the checkpoint in '{self.folder}' can't be read: {reason}; delete it and begin anew"
            ) from error
        seeds = [row.pop("seeds", []) for row in rows]
        for variable, state in zip(_seed_variables(model), seeds[-1], strict=False):
            variable.assign(np.asarray(state, str(variable.dtype)))
        return model, rows

    def restore_best(self, model: Any) -> None:
        """Gives `model` the weights of the best epoch."""
        keras = require("keras", extra="train")
        model.set_weights(keras.models.load_model(self._best, compile=False).get_weights())

    def remove(self) -> None:
        """Takes the checkpoint away, once the run is whole."""
        if self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _seed_variables(model: Any) -> list[Any]:
    """Returns the states of a model's random generators, those of dropout, which Keras saves in no file."""
    weights = {id(weight) for layer in model.layers for weight in layer.weights}
    return [variable for layer in model.layers for variable in layer.variables if id(variable) not in weights]


def _difference(before: Any, now: Any, name: str) -> tuple[str, str]:
    """Names the first value in which two configurations differ: ``recipe.epochs 20`` and ``10``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before:
            if before[key] != now.get(key):
                return _difference(before[key], now.get(key), f"{name}.{key}")
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, (old, new) in enumerate(zip(before, now, strict=True)):
            if old != new:
                return _difference(old, new, f"{name}.{place}")
    return f"{name} {before}", f"{now}"
