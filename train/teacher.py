"""A trained model that teaches a smaller one: its probabilities of the training images become targets.

The student learns from soft answers which digits look alike (G. Hinton, O. Vinyals and J. Dean,
"Distilling the knowledge in a neural network", 2015; here at temperature 1, since a teacher of
augmented images is unsure enough).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.card import REFUSALS
from edgits.dataset import DIGITS
from edgits.errors import ModelError, require
from edgits.stats import softmax
from edgits.train.variants import as_input

_BATCH = 512


class Teacher:
    """A model that answers for the training images.

    Args:
        path: Its `.keras` file.
        classes: Number of the student's outputs.

    Raises:
        ModelError: The file can't be read as a model.
    """

    def __init__(self, path: Path, classes: int) -> None:
        self.path = path
        self._name = files.sha256(path)[:12]
        self._model: Any = load_keras(path, classes)

    def check(self, model: Any) -> None:
        """Raises `ModelError` if the teacher's input or outputs are others than those of `model`."""
        own, wanted = (found.input_shape[1:] + found.output_shape[1:] for found in (self._model, model))
        if own != wanted:
            raise ModelError(f"the teacher '{self.path}' has input and outputs {own}, the model {wanted}; give another")

    def answers(
        self, images: npt.NDArray[np.uint8], asked: npt.NDArray[np.bool_], folder: Path, number: int
    ) -> npt.NDArray[np.float32]:
        """Answers for some of a variant's images.

        Args:
            images: All of them, uint8 (N, size, size).
            asked: Which, bool (N,).
            folder: Where the answers are kept for the next time.
            number: The variant's.

        Returns:
            float32 (M, classes), the probabilities of those that are `asked`, in order.
        """
        path = folder / f"taught-{self._name}-{number}.npy"
        if not path.is_file():
            rows = np.flatnonzero(asked)
            parts = [as_input(images[rows[start : start + _BATCH]]) for start in range(0, len(rows), _BATCH)]
            logits = np.concatenate([np.asarray(self._model.predict_on_batch(part), np.float32) for part in parts])
            with files.whole_file(path) as temporary:
                np.save(temporary, softmax(logits))
        found: npt.NDArray[np.float32] = np.load(path)
        return found


def load_keras(path: Path, classes: int | None = None) -> Any:
    """Loads a `.keras` file without its optimizer.

    Args:
        path: The file.
        classes: Number of outputs wanted. A model without an output for several digits, as they were before, gets
            one: each of both then says half of what the one for no digit said.

    Raises:
        ModelError: It can't be read as a model.
    """
    keras = require("keras", extra="train")
    try:
        model = keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelError(f"can't read the model '{path}': {reason}; give the model.keras of a run") from error
    if classes == len(DIGITS) + len(REFUSALS) == model.output_shape[-1] + 1:
        return _with_several(keras, model)
    return model


def _with_several(keras: Any, model: Any) -> Any:
    def layer(found: Any) -> Any:
        config = found.get_config()
        if found is model.layers[-1]:
            config["units"] += 1
        return type(found).from_config(config)

    widened = keras.models.clone_model(model, clone_function=layer)
    *weights, kernel, bias = model.get_weights()
    bias[-1] -= np.log(2)
    widened.set_weights([*weights, np.hstack([kernel, kernel[:, -1:]]), np.append(bias, bias[-1])])
    return widened
