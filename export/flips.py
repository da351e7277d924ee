"""Draws the images that two models read differently on one sheet. Reads no model."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgits.images import Image

MOST = 60
_COLUMNS, _TILE, _CAPTION, _MARGIN = 10, 84, 34, 8
_PAPER, _INK, _GOOD, _BAD = (255, 255, 255), (60, 60, 60), (60, 130, 30), (40, 40, 200)


@dataclass(frozen=True)
class Flip:
    """An image that two models read differently.

    Attributes:
        index: Its place in the data.
        image: uint8 (H, W), or (H, W, 3) red-green-blue, raw.
        label: What it shows.
        expected: What the reference reads.
        found: What the file reads.
    """

    index: int
    image: Image
    label: int
    expected: int
    found: int


def draw(flips: Sequence[Flip]) -> Image:
    """Draws a sheet of at most `MOST` flips, evenly chosen, ten a row.

    Under each image stands its place in the data, then what the reference and the file read: green
    where that is right, red where it is wrong.

    Args:
        flips: One at least.

    Returns:
        uint8 (H, W, 3), blue-green-red.
    """
    shown = flips[:: -(-len(flips) // MOST)]
    rows, columns = -(-len(shown) // _COLUMNS), min(len(shown), _COLUMNS)
    height, width = _TILE + _CAPTION, _TILE + _MARGIN
    sheet = np.full((rows * height + _MARGIN, columns * width + _MARGIN, 3), _PAPER, np.uint8)
    for place, flip in enumerate(shown):
        top, left = _MARGIN + place // _COLUMNS * height, _MARGIN + place % _COLUMNS * width
        tile = cv2.resize(flip.image, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST)
        sheet[top : top + _TILE, left : left + _TILE] = tile[:, :, None] if tile.ndim == 2 else tile[:, :, ::-1]
        _write(sheet, f"#{flip.index}", left, top + _TILE + 11, _INK, 0.34)
        for text, shift, value in ((str(flip.expected), 0, flip.expected), (str(flip.found), 38, flip.found)):
            _write(sheet, text, left + 18 + shift, top + _TILE + 26, _GOOD if value == flip.label else _BAD, 0.5)
        arrow = (left + 33, top + _TILE + 21), (left + 50, top + _TILE + 21)
        cv2.arrowedLine(sheet, *arrow, _INK, 1, cv2.LINE_AA, tipLength=0.35)
    return sheet


def _write(sheet: Image, text: str, left: int, base: int, colour: tuple[int, int, int], size: float) -> None:
    cv2.putText(sheet, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
