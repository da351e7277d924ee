"""Erases ruled lines and the lines of printed grids from a mask of ink; tells the sides of printed boxes.

Knows only what is straight.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgits.images import Image

LENGTH = 120
"""A line is at least so long, in pixels of the mask."""
# Lines lean at most so far from the frame's edges, to either side (sideways per length), in steps that a line's
# thickness covers.
_SLANTS = (0.0, 0.05, 0.1, 0.15, 0.2)
# Along a line, so many pixels of half the size are looked at as one, of which this share must be ink.
_BLOCK, _FILLED = 4, 0.6
# Half a run rises or falls by no more pixels than this.
_GAP = 8
# What is this thick, in pixels of half the size, is no line but a stroke of a thick pen, or a blob.
_THICKEST = 5
# The side of a box is at least so many pixels of the mask high and no wider than this share of that. Lines lie within
# so many pixels beyond its ends, and to the side of those; of side and line, the lighter has this share of the other's
# ink.
_LEAST_RUNG, _SLENDER, _END, _BESIDE, _AS_DARK = 8, 0.3, 6, 6, 0.5
# Strokes that cross a line are closed again over gaps of this many pixels of half the size.
_BRIDGE = 7


def erase_rules(mask: Image, share: float = 0.0) -> Image:
    """Erases long straight lines, and leaves the strokes that cross them.

    Args:
        mask: uint8 (H, W), 1 where there is ink.
        share: Of the mask's width or height, what a line is long at least.

    Returns:
        The mask without lines; the same one if there are none.
    """
    half = _halved(mask)
    if not half.size:
        return mask
    thick = cv2.morphologyEx(half, cv2.MORPH_OPEN, np.ones((_THICKEST, _THICKEST), np.uint8))
    thin = np.asarray(cv2.subtract(half, thick), np.uint8)
    height, width = mask.shape
    standing = cv2.transpose(_lying(np.asarray(cv2.transpose(thin), np.uint8), max(LENGTH, share * height)))
    lines = cv2.bitwise_or(_lying(thin, max(LENGTH, share * width)), standing)
    if not cv2.countNonZero(lines):
        return mask
    near = cv2.dilate(lines, np.ones((3, 3), np.uint8))
    bridged = cv2.morphologyEx(cv2.subtract(half, near), cv2.MORPH_CLOSE, np.ones((_BRIDGE, _BRIDGE), np.uint8))
    return np.asarray(
        cv2.subtract(mask, _doubled(np.asarray(cv2.subtract(near, bridged), np.uint8), mask.shape)), np.uint8
    )


def find_rungs(boxes: npt.NDArray[np.int32], mask: Image, lines: Image, ink: Image) -> list[int]:
    """Finds the sides of printed boxes: thin strokes from one erased line to another, as dark as these.

    Args:
        boxes: Around strokes, int32 (N, 4): left, top, width, height.
        mask: uint8 (H, W), 1 where there is ink, without the lines.
        lines: uint8 (H, W), 1 on the lines that were erased.
        ink: uint8 (H, W), how dark each pixel is.

    Returns:
        Which of `boxes`.
    """
    x, _, w, h = boxes.T
    thin = (h >= _LEAST_RUNG) & (w <= _SLENDER * h) & (x >= 2) & (x + w + 2 <= ink.shape[1])
    return [i for i in np.flatnonzero(thin).tolist() if _is_rung(boxes[i].tolist(), mask, lines, ink)]


def _is_rung(box: Sequence[int], mask: Image, lines: Image, ink: Image) -> bool:
    x, y, w, h = box
    own = cv2.mean(ink[y : y + h, x : x + w], mask[y : y + h, x : x + w])[0]
    # beside the stroke: where it meets the lines its own ends were erased with them
    beside = slice(max(0, x - _BESIDE), x - 1), slice(x + w + 1, x + w + _BESIDE)
    for rows in slice(max(0, y - _END), y + 1), slice(y + h - 1, y + h - 1 + _END):
        line = max(cv2.mean(ink[rows, columns], lines[rows, columns])[0] for columns in beside)
        if not _AS_DARK * line <= own <= line / _AS_DARK:
            return False
    return True


def _halved(mask: Image) -> Image:
    """Shrinks a mask to half its size; a pixel is ink if any of its four was."""
    height, width = (side // 2 * 2 for side in mask.shape)
    rows = np.maximum(mask[0:height:2, :width], mask[1:height:2, :width])
    return (rows.view(np.uint16) > 0).view(np.uint8)  # two pixels at once


def _doubled(half: Image, shape: tuple[int, ...]) -> Image:
    """Undoes `_halved`."""
    rows = (half * np.uint16(0x0101)).view(np.uint8).repeat(2, axis=0)
    height, width = shape
    return np.asarray(
        cv2.copyMakeBorder(rows, 0, height - rows.shape[0], 0, width - rows.shape[1], cv2.BORDER_REPLICATE), np.uint8
    )


def _lying(thin: Image, length: float) -> Image:
    """Marks lines from side to side, of so many pixels of the mask: uint8 of the shape of `thin`, 1 on lines."""
    run = 2 * (int(length) // 4 // _BLOCK) + 1  # in blocks
    width = thin.shape[1]
    blocks = width // _BLOCK
    if blocks < run:
        return np.zeros_like(thin)
    both = thin[:, : blocks * _BLOCK].copy()
    both[1:] |= thin[:-1, : blocks * _BLOCK]  # two rows together, so that a slanted line fills its blocks
    inked = both.view(np.uint32) * np.uint32(0x01010101) >> np.uint32(24)  # the sum of a block's four bytes
    found = _runs(inked >= _FILLED * _BLOCK, run)
    if found is None:
        return np.zeros_like(thin)
    whole = (found * np.uint32(0x01010101)).view(np.uint8)
    return np.asarray(cv2.copyMakeBorder(whole, 0, 0, 0, width % _BLOCK, cv2.BORDER_REPLICATE), np.uint8)


def _runs(filled: npt.NDArray[np.bool_], run: int) -> Image | None:
    """Marks runs of filled blocks, bool (H, W), that lean by `_SLANTS`: uint8 (H, W), 1 on runs; None of none.

    All blocks are bits of one integer, column after column, with a gap between so that no run goes on in the next
    column: moving them to the side and up or down is one shift. A run is full if its two halves are.
    """
    height, width = filled.shape
    column = -(-(height + _GAP) // 8) * 8
    spaced = np.zeros((width, column), np.bool_)
    spaced[:, :height] = filled.T
    bits = int.from_bytes(np.packbits(spaced).tobytes(), "big")
    found = 0
    for slant in (*_SLANTS, *(-slant for slant in _SLANTS[1:])):
        full, steps, length = bits, [], 1
        while full and length < run:
            right = min(length, run - length)
            steps.append(right * column + round(slant * _BLOCK * right))
            full &= full << steps[-1]
            length += right
        for step in steps:
            full |= full >> step
        found |= full
    if not found:
        return None
    runs = np.unpackbits(np.frombuffer(found.to_bytes(spaced.size // 8, "big"), np.uint8))
    return np.ascontiguousarray(runs.reshape(width, column)[:, :height].T)
