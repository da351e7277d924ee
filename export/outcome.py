"""Measures how far one runtime's answers are from the reference's. Names no causes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgits.card import ModelCard
from edgits.edge.runtimes import Floats
from edgits.export.check import Check, Reference, read_digits, read_scores
from edgits.export.feed import Samples
from edgits.export.flips import Flip
from edgits.stats import mcnemar


@dataclass(frozen=True)
class Outcome:
    """How one runtime's answers compare with the reference's.

    Attributes:
        check: Differences, flips and accuracy.
        mean: Mean difference of the probabilities.
        snr_db: Power of the reference's probabilities over that of their difference, in decibel;
            infinite where there is none.
        cosine: Mean cosine of the two models' probabilities.
        p_value: McNemar's: how likely two equally good models differ so much.
        flips: The images read differently.
    """

    check: Check
    mean: float
    snr_db: float
    cosine: float
    p_value: float
    flips: tuple[Flip, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON values: NaN and infinity become null."""
        figures = {"mean": self.mean, "snr_db": self.snr_db, "cosine": self.cosine, "mcnemar_p": self.p_value}
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        keys = ("index", "label", "expected", "found")
        flipped = [{key: getattr(flip, key) for key in keys} for flip in self.flips]
        return self.check.to_json() | finite | {"flipped": flipped}


def measure(check: Check, scores: Floats, card: ModelCard, reference: Reference, data: Samples) -> Outcome:
    """Measures a file's answers.

    Args:
        check: What the comparison under limits said.
        scores: float32 (N, classes), raw; images whose scores aren't finite count as read wrong.
        card: How to read them.
        reference: What the reference answers.
        data: The raw images.
    """
    finite = np.isfinite(scores).all(axis=1)
    mean = snr = cosine = math.nan
    if finite.any():
        ours, theirs = read_scores(scores[finite], card).probabilities, reference.answers.probabilities[finite]
        noise, power = float(np.square(ours - theirs).sum()), float(np.square(theirs).sum())
        mean = float(np.abs(ours - theirs).mean())
        snr = 10 * math.log10(power / noise) if noise else math.inf
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        cosine = float(np.mean((ours * theirs).sum(axis=1) / norms))
    digits, expected = read_digits(scores, card), reference.answers.digits
    right, expected_right = (digits == data.labels) & finite, expected == data.labels
    flips = tuple(
        Flip(int(i), data.images[i], int(data.labels[i]), int(expected[i]), int(digits[i]))
        for i in np.flatnonzero((digits != expected) & finite)
    )
    p_value = mcnemar(int((expected_right & ~right).sum()), int((right & ~expected_right).sum()))
    return Outcome(check, mean, snr, cosine, p_value, flips)
