"""What a model answers: the best of the ten digits for each image. Knows neither truth nor time."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from edgits.dataset import DIGITS
from edgits.edge.recognizer import Recognizer
from edgits.edge.runtimes import Floats
from edgits.errors import ModelError

BATCH = 256


def probabilities(recognizer: Recognizer, batches: Iterable[Floats]) -> Floats:
    """Runs normalised images.

    Args:
        recognizer: The model.
        batches: float32 (N, size, size, 1) in [0, 1] each.

    Returns:
        float32 (N, classes), in the order of the card's labels.

    Raises:
        ModelError: An answer is NaN or infinite.
    """
    parts = [recognizer.probabilities(batch) for batch in batches]
    found = np.concatenate(parts) if parts else np.zeros((0, len(recognizer.card.labels)), np.float32)
    if bad := int((~np.isfinite(found)).any(axis=1).sum()):
        raise ModelError(
            f"model '{recognizer.card.name}' answers NaN or infinity on {bad} of {len(found)} images "
            f"({recognizer.runtime.name}); its conversion has failed: export it again"
        )
    return found


def digit_scores(recognizer: Recognizer, found: Floats) -> Floats:
    """Returns the columns of the ten digits, in order: float32 (N, 10)."""
    return found[:, [recognizer.card.labels.index(digit) for digit in DIGITS]]


def digits(recognizer: Recognizer, inputs: Floats) -> npt.NDArray[np.int64]:
    """Reads normalised images, float32 (N, size, size, 1), as digits 0 to 9: int64 (N,)."""
    scores = digit_scores(recognizer, probabilities(recognizer, batches(inputs)))
    return np.asarray(scores.argmax(axis=1), np.int64)


def batches(inputs: Floats) -> Iterator[Floats]:
    """Gives an array in parts of `BATCH`."""
    return (np.asarray(inputs[begin : begin + BATCH]) for begin in range(0, len(inputs), BATCH))
