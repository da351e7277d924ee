"""Makes confidences mean what they say, and finds what is to be rejected as no digit. Arrays only."""

import numpy as np
import numpy.typing as npt

from edgits.stats import softmax

Floats = npt.NDArray[np.float32]


def fit_temperature(logits: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Finds the temperature of the least negative log likelihood (Guo et al. 2017).

    Args:
        logits: float32 (N, classes), of images not trained on.
        labels: int64 (N,).

    Returns:
        A temperature in [0.2, 5].
    """
    candidates = np.exp(np.linspace(np.log(0.2), np.log(5), 121))
    losses = [-np.log(softmax(logits / t)[np.arange(len(labels)), labels] + 1e-12).mean() for t in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 4)


def none_excess(digits: Floats, others: Floats, labels: npt.NDArray[np.int64], *, lose: float = 0.003) -> float:
    """Finds how much too high the scores of what is no single digit stand.

    Training shows what is no digit as often as its share says, and hard; how readily a digit may be
    given up for it is decided here, on digits alone.

    Args:
        digits: float32 (N, 10), logits of images not trained on.
        others: float32 (N, K), their logits for what is no digit, and for several.
        labels: int64 (N,), 0 to 9.
        lose: Share of the digits that would be read right which it may take.

    Returns:
        What to take from those scores, 0 or more.
    """
    right = digits.argmax(axis=1) == labels
    if not right.any():
        return 0.0
    margin = digits[right].max(axis=1) - np.logaddexp.reduce(others[right], axis=1)
    return max(0.0, -float(np.quantile(margin, lose)))


def reject_threshold(probabilities: Floats, labels: npt.NDArray[np.int64], *, accept: float = 0.998) -> float:
    """Finds the confidence that the given share of rightly read digits reaches.

    Args:
        probabilities: float32 (N, 10) in [0, 1], of digits not trained on.
        labels: int64 (N,).
        accept: Share of right readings that stay accepted.

    Returns:
        A threshold in [0, 0.9].
    """
    right = probabilities.argmax(axis=1) == labels
    if not right.any():
        return 0.0
    return round(min(float(np.quantile(probabilities[right].max(axis=1), 1 - accept)), 0.9), 4)


def expected_calibration_error(
    confidences: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Returns the mean gap between confidence and accuracy over equally wide bins (Naeini et al. 2015)."""
    place = np.minimum((confidences * bins).astype(int), bins - 1)
    gaps = [
        (place == b).mean() * abs(confidences[place == b].mean() - right[place == b].mean())
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))
