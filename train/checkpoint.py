"""Keeps what a training needs to go on after it was interrupted, whenever that was. Knows no data.

A folder holds the model with its optimizer, the rows of the finished epochs and what was asked
for. Each file is whole or absent; the model's own count of steps says which epoch it is from.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from edgits import files
from edgits.errors import ModelError, OutputError, require

Row = dict[str, float]


class Checkpoint:
    """The checkpoint of a run.

    Args:
        run: The run folder; the checkpoint is its folder ``checkpoint``.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / "checkpoint"
        self._model, self._rows = self.folder / "model.keras", self.folder / "rows.json"
        self._asked, self._best = self.folder / "asked.json", self.folder / "best.weights.h5"

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
            files.make_folder(self.folder)
            files.write_json(self._asked, asked)
            return
        if not resume:
            raise OutputError(
                f"'{self.folder.parent}' holds an unfinished training; go on with it by --resume, or delete the folder"
            )
        before, now = json.loads(self._asked.read_text()), json.loads(json.dumps(asked))
        if others := sorted(key for key in before | now if before.get(key) != now.get(key)):
            key = others[0]
            raise ModelError(
                f"the training in '{self.folder.parent}' began with {key} {before.get(key)}, now it is {now.get(key)}; "
                "ask for the same, or choose another folder with --out"
            )

    def save(self, model: Any, rows: list[Row], *, best: bool) -> None:
        """Keeps the model as it is after the epochs in `rows`; `best` says that it is the best so far."""
        files.write_json(self._rows, rows)  # first: rows too many are cut off again by the model's steps
        if best:
            with files.whole_file(self._best) as temporary:
                model.save_weights(temporary)
        with files.whole_file(self._model) as temporary:
            model.save(temporary)

    def load(self, steps: int) -> tuple[Any, list[Row]]:
        """Returns the compiled model and the rows of its epochs; `steps` is the number of an epoch."""
        keras = require("keras", extra="train")
        model = keras.models.load_model(self._model)
        done = int(keras.ops.convert_to_numpy(model.optimizer.iterations)) // steps
        return model, json.loads(self._rows.read_text())[:done]

    def restore_best(self, model: Any) -> None:
        """Gives `model` the weights of the best epoch."""
        model.load_weights(self._best)

    def remove(self) -> None:
        """Takes the checkpoint away, once the run is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)
