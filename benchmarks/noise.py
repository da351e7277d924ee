"""Tells a difference in speed from noise. Measures nothing itself.

Rounds of all models follow each other, so what slows the machine for a while slows the same round
of each: the ratio of two models is taken round by round. What differs from one process to the next
though the file is the same, such as where its memory lies, no number of rounds shows; `PROCESS` is
what is allowed for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgits.errors import DataError

# Six processes of one file of 60,000 parameters, 50 µs an inference, differed by up to this share.
PROCESS = 0.05


@dataclass(frozen=True)
class Ratio:
    """How many times the time of one model another takes.

    Attributes:
        value: Median of the rounds' ratios.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether it differs from 1 by more than noise."""
        return self.low > 1 + PROCESS or self.high < 1 / (1 + PROCESS)

    def text(self) -> str:
        """Returns such as ``"1.84 (1.79–1.92)"``."""
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio(times: Sequence[float], others: Sequence[float]) -> Ratio:
    """Compares two models that were timed in turn.

    Args:
        times: Median time of each round, above 0.
        others: The same of the other model.

    Returns:
        The ratio of the first to the second, with an interval that asks nothing of the noise but that
        rounds are alike: it lies between two of the ordered ratios (W. R. Thompson, Annals of
        Mathematical Statistics 7 (1936), p. 122). With fewer than 6 rounds it is all there is, and less sure.

    Raises:
        DataError: There are no rounds, or not as many of both.
    """
    if len(times) != len(others) or not times:
        raise DataError(f"rounds must be as many of both, found {len(times)} and {len(others)}")
    ratios = sorted(mine / theirs for mine, theirs in zip(times, others, strict=True))
    place = _place(len(ratios))
    middle = len(ratios) // 2
    value = ratios[middle] if len(ratios) % 2 else math.sqrt(ratios[middle - 1] * ratios[middle])
    return Ratio(value, ratios[place], ratios[-1 - place])


def _place(count: int) -> int:
    """Returns how many of the ordered values may be left out at either end."""
    place, outside = 0, 2 * 0.5**count
    while outside + 2 * math.comb(count, place + 1) * 0.5**count <= 0.05:
        place += 1
        outside += 2 * math.comb(count, place) * 0.5**count
    return place
