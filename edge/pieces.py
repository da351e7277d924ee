"""Cuts a mark where little ink is in the way: digits that touch. Which pieces are digits is the model's to say."""

import numpy as np
import numpy.typing as npt

from edgits.images import Image

# Cuts lean at most so far (sideways per height), as handwriting does.
_SLANTS = (0.0, 0.2, 0.4, -0.2)


def clean_cuts(mask: Image, *, most: int) -> list[tuple[float, float]]:
    """Finds cuts that cross little ink, the cleanest first, well apart.

    Args:
        mask: uint8 (h, w), 1 where there is ink.
        most: Number of cuts at most.

    Returns:
        Slant (sideways per height) and column at half height of each.
    """
    y, x = np.nonzero(mask)
    height, width = mask.shape
    least = max(3, round(0.15 * height))
    inner = np.arange(least, width - least)
    ways: list[tuple[float, float, float]] = []
    for slant in _SLANTS:
        at = np.clip(x + slant * (y - height / 2), 0, width - 1).astype(np.intp)
        crossed = np.convolve(np.bincount(at, minlength=width), [0.25, 0.5, 0.25], "same") / height
        lowest = np.minimum(np.minimum(crossed[inner - 1], crossed[inner + 1]), 0.45)
        columns = inner[crossed[inner] <= lowest]
        ways += [
            (ink, slant, column + 0.5) for ink, column in zip(crossed[columns].tolist(), columns.tolist(), strict=True)
        ]
    chosen: list[tuple[float, float]] = []
    for _, slant, middle in sorted(ways):
        if len(chosen) == most:
            break
        if all(abs(middle - other) >= least for _, other in chosen):
            chosen.append((slant, middle))
    return chosen


def sides(mask: Image, cuts: list[tuple[float, float]]) -> tuple[npt.NDArray[np.intp], ...]:
    """Returns row, column and number of cuts to the left, of each pixel of ink."""
    y, x = np.nonzero(mask)
    behind = np.zeros(len(x), np.intp)
    for slant, column in cuts:
        behind += x + slant * (y - mask.shape[0] / 2) >= column
    return y, x, behind
