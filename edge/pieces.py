"""Cuts a mark where little ink is in the way: digits that touch. Which pieces are digits is the model's to say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgits.images import Image

# Cuts lean at most so far (sideways per height), as handwriting does.
_SLANTS = (0.0, 0.2, 0.4, -0.2)
# What a cut off the middle costs, in heights, counts as this share of it in ink.
_OFF = 0.5


@dataclass(frozen=True)
class Cut:
    """A straight cut through a mark.

    Attributes:
        column: Where it is at half height, in pixels.
        slant: How far it leans, sideways per height.
        ink: Share of the mark's height in which it crosses ink.
    """

    column: float
    slant: float
    ink: float


def clean_cuts(mask: Image, *, most: int) -> list[Cut]:
    """Finds cuts that cross little ink, well apart.

    Args:
        mask: uint8 (h, w), 1 where there is ink.
        most: Number of cuts at most.

    Returns:
        The cleanest, from left to right.
    """
    y, x = np.nonzero(mask)
    height, width = mask.shape
    least = max(3, round(0.15 * height))
    inner = np.arange(least, width - least)
    ways: list[Cut] = []
    for slant in _SLANTS:
        at = np.clip(x + slant * (y - height / 2), 0, width - 1).astype(np.intp)
        crossed = np.convolve(np.bincount(at, minlength=width), [0.25, 0.5, 0.25], "same") / height
        lowest = np.minimum(np.minimum(crossed[inner - 1], crossed[inner + 1]), 0.45)
        columns = inner[crossed[inner] <= lowest]
        ways += [
            Cut(column + 0.5, slant, ink)
            for ink, column in zip(crossed[columns].tolist(), columns.tolist(), strict=True)
        ]
    chosen: list[Cut] = []
    for way in sorted(ways, key=lambda cut: (cut.ink, cut.slant, cut.column)):
        if len(chosen) == most:
            break
        if all(abs(way.column - other.column) >= least for other in chosen):
            chosen.append(way)
    return sorted(chosen, key=lambda cut: cut.column)


def cut_between(mask: Image, low: float, high: float) -> Cut:
    """Finds the cut between two columns that crosses the least ink, the one nearest to the middle of these.

    Args:
        mask: uint8 (h, w), 1 where there is ink.
        low: The least column of the cut, in pixels, and
        high: the greatest one.
    """
    y, x = np.nonzero(mask)
    height, width = mask.shape
    first = min(max(int(low), 0), width - 1)
    columns = np.arange(first, max(min(round(high), width), first + 1))
    off = _OFF * np.abs(columns + 0.5 - (low + high) / 2) / max(height, 1)
    best, cost = Cut((low + high) / 2, 0.0, 1.0), np.inf
    for slant in _SLANTS:
        at = np.clip(x + slant * (y - height / 2), 0, width - 1).astype(np.intp)
        crossed = np.convolve(np.bincount(at, minlength=width), [0.25, 0.5, 0.25], "same")[columns] / height
        place = int((crossed + off).argmin())
        if crossed[place] + off[place] < cost:
            best, cost = Cut(columns[place] + 0.5, slant, float(crossed[place])), crossed[place] + off[place]
    return best


def sides(mask: Image, cuts: Sequence[Cut]) -> tuple[npt.NDArray[np.intp], ...]:
    """Returns row, column and number of cuts to the left, of each pixel of ink."""
    y, x = np.nonzero(mask)
    behind = np.zeros(len(x), np.intp)
    for cut in cuts:
        behind += x + cut.slant * (y - mask.shape[0] / 2) >= cut.column
    return y, x, behind
