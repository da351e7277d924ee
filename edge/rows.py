"""Reads a mark of digits that touch without cutting it first: by windows along it.

A model trained on such windows (`edgits.windows`) says of each which digit's middle it shows, or none.
Only then is the ink shared out between the digits that are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edgits.edge.candidate import Candidate, piece_of
from edgits.edge.choose import Read, logit
from edgits.edge.pieces import Cut, crossings, cut_between, sides
from edgits.edge.results import Reading
from edgits.images import Image
from edgits.windows import normalize_row

# Heights of the row between windows.
_STEP = 0.08
# Middles of digits are so many heights of the row apart at least, and no digit reaches further from its own.
_APART, _REACH = 0.24, 0.75
# How likely a digit of a row is one, rightly read: a logistic regression, fitted on 1,210 wide marks of made-up photos
# of digits that touch, and of words. What is less likely than this isn't handed on to those who see all of the page.
_TRUST = {"bias": -9.24, "confidence": 0.366, "row": 0.645, "several": 0.215, "cover": 6.12}
_LEAST = 0.2
# What is read as one digit is a row if the model calls it several digits with this probability, or isn't sure of one.
_SEVERAL, _DOUBTFUL = 0.3, 0.6


@dataclass(frozen=True, eq=False)
class Look:
    """A mark seen through windows.

    Attributes:
        mark: The mark.
        columns: Middles of the windows, in columns of the mark.
        windows: uint8 (size, size) each, as a model reads them.
    """

    mark: Candidate
    columns: tuple[float, ...]
    windows: tuple[Image, ...]


def look_along(mark: Candidate, size: int) -> Look:
    """Sees a mark through windows of a model's input size."""
    crop, box = mark.row_crop
    row = normalize_row(crop, box, dark_ink=True)
    columns = row.columns(_STEP)
    return Look(mark, tuple(column - box[0] for column in columns), tuple(row.windows(columns, size)))


def row_of(look: Look, readings: Sequence[Reading]) -> list[Read]:
    """Returns the digits that windows show, from left to right, each with its share of the ink.

    Args:
        look: The windows.
        readings: What a model says of each.
    """
    mask = look.mark.mark.mask
    height = mask.shape[0]
    chosen: list[int] = []
    for place in sorted(range(len(readings)), key=lambda place: -readings[place].confidence):
        apart = (abs(look.columns[place] - look.columns[other]) for other in chosen)
        if readings[place].digit is not None and all(gap >= _APART * height for gap in apart):
            chosen.append(place)
    chosen.sort()
    found: list[Read] = []
    cuts, behind = _shares(mask, [look.columns[place] for place in chosen])
    y, x, side = sides(mask, cuts)
    inks = [0.0, *(cut.ink for cut in cuts), 0.0]  # nothing is cut at the mark's own ends
    for place, number in zip(chosen, behind, strict=True):
        own = side == number
        piece = piece_of(look.mark, y[own], x[own])
        if piece is not None:
            found.append((replace(piece, cut=inks[number] + inks[number + 1]), readings[place]))
    return found


def trusted(row: Sequence[Read], mark: Candidate, several: float) -> list[Read]:
    """Leaves out digits that are likely letters: by how sure all of the row is, and how much of the mark it explains.

    Args:
        row: What `row_of` found in a mark.
        mark: The mark.
        several: How likely it is digits that touch, in [0, 1], as the model says that sees all of it.
    """
    sure = [logit(reading.confidence) for _, reading in row]
    explained = sum(cv2.countNonZero(piece.mark.mask) for piece, _ in row) / cv2.countNonZero(mark.mark.mask)
    common = _TRUST["bias"] + _TRUST["several"] * logit(several) + _TRUST["cover"] * explained
    common += _TRUST["row"] * sum(sure) / max(len(sure), 1)
    least = logit(_LEAST)
    return [one for one, own in zip(row, sure, strict=True) if common + _TRUST["confidence"] * own > least]


def _shares(mask: Image, middles: Sequence[float]) -> tuple[list[Cut], list[int]]:
    """Cuts a mark between digits, and where one ends before the next begins; number of cuts to the left of each."""
    height, width = mask.shape
    near, reach = _APART * height, _REACH * height
    ways = crossings(mask)
    cuts: list[Cut] = []
    behind: list[int] = []
    for before, middle, after in zip([-np.inf, *middles], middles, [*middles[1:], np.inf], strict=False):
        if middle - before <= 2 * reach:
            share = _APART * (middle - before)
            cuts.append(cut_between(ways, before + share, middle - share, height))
        elif middle > reach:
            cuts.append(cut_between(ways, middle - reach, middle - near, height))
        behind.append(len(cuts))
        if after - middle > 2 * reach and width - middle > reach:
            cuts.append(cut_between(ways, middle + near, middle + reach, height))
    return cuts, behind


def is_row(row: Sequence[Read], whole: Sequence[Read], several: float) -> bool:
    """Tells whether a mark is a row of digits rather than the one that it is read as.

    Args:
        row: The digits of the row, as `trusted` leaves them.
        whole: What the mark is read as whole: a digit, or nothing.
        several: See `trusted`.
    """
    if not whole:
        return True
    return len(row) > 1 and (several > _SEVERAL or whole[0][1].confidence < _DOUBTFUL)
