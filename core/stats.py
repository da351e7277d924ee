"""Statistics of answers: probabilities of logits, how sure an accuracy is, whether two models differ."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt


def wilson(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the Wilson score interval of a proportion.

    It holds its confidence near 0 and 1 and with few images, where the textbook interval
    p ± z·√(p(1-p)/n) shrinks to nothing.

    Args:
        correct: Number of right answers, 0 to `n`.
        n: Number of answers, at least 1.
        confidence: Confidence level, above 0 and below 1.

    Returns:
        The lower and upper bound, each in [0, 1].

    Raises:
        ValueError: An argument is out of its range.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927), p. 209.
    """
    if not 0 <= correct <= n or n < 1:
        raise ValueError(f"correct must be 0 to n and n at least 1, found {correct} of {n}")
    z = _quantile(confidence)
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # rounding must not put a bound beyond what was observed
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def mcnemar(b: int, c: int) -> float:
    """Returns the two-sided p value of McNemar's exact test: do two models differ on the same images?

    Only images that one model has right and the other wrong count; if the models are equally
    good, each of them falls to either side with probability 1/2.

    Args:
        b: Number of images that only the first model has right.
        c: Number of images that only the second model has right.

    Returns:
        The probability, in (0, 1], of a split at least as uneven.

    Raises:
        ValueError: A count is negative.

    Sources: Q. McNemar, Psychometrika 12 (1947), p. 153; the exact form in M. W. Fagerland,
    S. Lydersen and P. Laake, BMC Medical Research Methodology 13 (2013), 91.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts must be 0 or more, found {b} and {c}")
    n = b + c
    tail = sum(math.exp(_log_binomial(n, k) - n * math.log(2)) for k in range(min(b, c) + 1))
    return min(1.0, 2 * tail)


def paired_difference(b: int, c: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns an interval of the difference of two accuracies on the same images (first minus second).

    Bonett and Price's interval: Wald's on counts to which one image of either kind is added, which
    keeps its coverage where few or none differ.

    Args:
        b: Number of images that only the first model has right.
        c: Number of images that only the second model has right.
        n: Number of images, at least 1 and at least `b + c`.
        confidence: Confidence level, above 0 and below 1.

    Returns:
        The lower and upper bound, each in [-1, 1].

    Raises:
        ValueError: An argument is out of its range.

    Source: D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data", J. Educ. Behav. Stat. 37 (2012), p. 479.
    """
    if b < 0 or c < 0 or n < max(1, b + c):
        raise ValueError(f"b and c must be 0 or more and n at least b + c and 1, found {b}, {c} and {n}")
    first, second = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = _quantile(confidence) * math.sqrt((first + second - (first - second) ** 2) / (n + 2))
    return max(-1.0, first - second - half), min(1.0, first - second + half)


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence must be above 0 and below 1, found {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns probabilities of logits, float32 (N, classes); safe for large values and for N = 0."""
    if len(logits) == 0:
        return logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def count_labels(labels: npt.NDArray[np.integer[Any]], classes: int = 0) -> npt.NDArray[np.int64]:
    """Counts how often each number from 0 occurs: int64 (N,), N at least `classes`; on 32-bit boards too."""
    # there `numpy.bincount` takes no int64, which may not fit an index
    return np.bincount(labels.astype(np.intp), minlength=classes).astype(np.int64)
