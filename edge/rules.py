"""Erases ruled lines and the lines of printed grids from a mask of ink. Knows only what is long and straight."""

from collections.abc import Sequence

import cv2
import numpy as np

from edgits.images import Image

LENGTH = 120
"""A line is at least so long, in pixels of the mask."""
# Lines lean at most so far from the frame's edges, to either side (sideways per length), in steps that a line's
# thickness covers.
_SLANTS = (0.0, 0.05, 0.1, 0.15, 0.2)
# Along a line, so many pixels of half the size are looked at as one, of which this share must be ink.
_BLOCK, _FILLED = 4, 0.6
# A line is at least so many of these blocks.
_RUN = 2 * (LENGTH // 4 // _BLOCK) + 1
# What is this thick, in pixels of half the size, is no line but a stroke of a thick pen, or a blob.
_THICKEST = 5
# Strokes that cross a line are closed again over gaps of this many pixels of half the size.
_BRIDGE = 7


def erase_rules(mask: Image) -> Image:
    """Erases long straight lines, and leaves the strokes that cross them.

    Args:
        mask: uint8 (H, W), 1 where there is ink.

    Returns:
        The mask without lines; the same one if there are none.
    """
    half = _halved(mask)
    if not half.size:
        return mask
    thick = cv2.morphologyEx(half, cv2.MORPH_OPEN, np.ones((_THICKEST, _THICKEST), np.uint8))
    thin = np.asarray(cv2.subtract(half, thick), np.uint8)
    lines = _lying(thin) | _lying(np.ascontiguousarray(thin.T)).T
    if not cv2.countNonZero(lines):
        return mask
    near = cv2.dilate(lines, np.ones((3, 3), np.uint8))
    bridged = cv2.morphologyEx(cv2.subtract(half, near), cv2.MORPH_CLOSE, np.ones((_BRIDGE, _BRIDGE), np.uint8))
    erased = cv2.resize(cv2.subtract(near, bridged), mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.subtract(mask, erased), np.uint8)


def _halved(mask: Image) -> Image:
    """Shrinks a mask to half its size; a pixel is ink if any of its four was."""
    height, width = (side // 2 * 2 for side in mask.shape)
    rows = np.maximum(mask[0:height:2], mask[1:height:2])
    return np.asarray(np.maximum(rows[:, 0:width:2], rows[:, 1:width:2]), np.uint8)


def _lying(thin: Image) -> Image:
    """Marks lines from side to side: uint8 of the shape of `thin`, 1 on lines."""
    height, width = thin.shape
    blocks = width // _BLOCK
    if blocks < _RUN:
        return np.zeros_like(thin)
    # two rows together, so that a slanted line fills its blocks
    both = cv2.dilate(thin, np.ones((2, 1), np.uint8))
    shares = cv2.resize(both[:, : blocks * _BLOCK] * np.uint8(100), (blocks, height), interpolation=cv2.INTER_AREA)
    filled = np.asarray(shares >= 100 * _FILLED, np.uint8)
    rising = _runs(np.asarray(cv2.flip(filled, 0), np.uint8), _SLANTS[1:])
    found = _runs(filled, _SLANTS) | cv2.flip(rising, 0)
    if not cv2.countNonZero(found):
        return np.zeros_like(thin)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _runs(filled: Image, slants: Sequence[float]) -> Image:
    """Marks runs of filled blocks that fall to the right by these slants: uint8 of the shape of `filled`, 1 on runs.

    A run is full if its two halves are: four shifts see what would else take one a block.
    """
    found = np.zeros_like(filled)
    for slant in slants:
        full, steps, length = filled, [], 1
        while length < _RUN:
            right = min(length, _RUN - length)
            down = round(slant * _BLOCK * right)
            if full.shape[0] <= down:
                return found
            full = cv2.bitwise_and(full[: full.shape[0] - down, :-right], full[down:, right:])
            steps.append((down, right))
            length += right
        if not cv2.countNonZero(full):
            continue
        height, width = filled.shape
        runs = cv2.copyMakeBorder(full, 0, height - full.shape[0], 0, width - full.shape[1], cv2.BORDER_CONSTANT)
        for down, right in steps:
            runs[down:, right:] |= runs[: height - down, :-right]
        found |= runs
    return found
