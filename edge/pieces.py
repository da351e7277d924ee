"""Cuts a mark where little ink is in the way: digits that touch. Which pieces are digits is the model's to say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgits.images import Image

Shares = npt.NDArray[np.float64]

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
    height, width = mask.shape
    least = max(3, round(0.15 * height))
    inner = np.arange(least, width - least)
    ways: list[Cut] = []
    for slant, crossed in crossings(mask):
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


def crossings(mask: Image) -> list[tuple[float, Shares]]:
    """Tells how much ink straight cuts cross.

    Args:
        mask: uint8 (h, w), 1 where there is ink.

    Returns:
        For each slant the share of the height in which a cut crosses ink, float64 by its column at half height.
    """
    y, x = np.nonzero(mask)
    height, width = mask.shape
    found = []
    for slant in _SLANTS:
        at = np.clip(x + slant * (y - height / 2), 0, width - 1).astype(np.intp)
        crossed = np.convolve(np.bincount(at, minlength=width), [0.25, 0.5, 0.25], "same") / height
        found.append((slant, crossed[:width]))
    return found


def cut_between(ways: Sequence[tuple[float, Shares]], low: float, high: float, height: int) -> Cut:
    """Finds the cut between two columns that crosses little ink, and is near the middle of these.

    Args:
        ways: A mark's `crossings`.
        low: The least column of the cut, in pixels, and
        high: the greatest one.
        height: The mark's height in pixels.
    """
    width = len(ways[0][1])
    first = min(max(int(low), 0), width - 1)
    columns = np.arange(first, max(min(round(high), width), first + 1))
    off = _OFF * np.abs(columns + 0.5 - (low + high) / 2) / height
    costs = np.stack([crossed[columns] + off for _, crossed in ways])
    way, place = np.unravel_index(int(costs.argmin()), costs.shape)
    slant, crossed = ways[int(way)]
    return Cut(columns[place] + 0.5, slant, float(crossed[columns[place]]))


def sides(mask: Image, cuts: Sequence[Cut]) -> tuple[npt.NDArray[np.intp], ...]:
    """Returns row, column and number of cuts to the left, of each pixel of ink."""
    y, x = np.nonzero(mask)
    behind = np.zeros(len(x), np.intp)
    for cut in cuts:
        behind += x + cut.slant * (y - mask.shape[0] / 2) >= cut.column
    return y, x, behind
