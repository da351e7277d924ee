"""Erases ruled lines and the lines of printed grids from a mask of ink. Knows only what is long and straight."""

import functools
import math

import cv2
import numpy as np

from edgits.images import Image

LENGTH = 120
"""A line is at least so long, in pixels of the mask."""
# Lines lean at most so far from the frame's edges (sideways per length), in steps that a line's thickness covers.
_SLANTS = np.arange(-4, 5) * 0.05
# Along a line, so many pixels of half the size are looked at as one, of which this share must be ink.
_BLOCK, _FILLED = 4, 0.6
# What is this thick, in pixels of half the size, is no line but a stroke of a thick pen, or a blob.
_THICKEST = 5
# Strokes that cross a line are closed again over gaps of this many pixels.
_BRIDGE = 15


def erase_rules(mask: Image, *, lying: bool = True, standing: bool = True) -> Image:
    """Erases long straight lines, and leaves the strokes that cross them.

    Args:
        mask: uint8 (H, W), 1 where there is ink.
        lying: Whether to look for lines from side to side.
        standing: Whether to look for lines from top to bottom.

    Returns:
        The mask without lines; the same one if there are none.
    """
    half = _halved(mask)
    thick = cv2.morphologyEx(half, cv2.MORPH_OPEN, np.ones((_THICKEST, _THICKEST), np.uint8))
    thin = np.asarray(half & (1 - thick), np.uint8)
    lines = _lying(thin) if lying else np.zeros_like(thin)
    if standing:
        lines |= _lying(np.ascontiguousarray(thin.T)).T
    if not cv2.countNonZero(lines):
        return mask
    near = cv2.dilate(lines, np.ones((3, 3), np.uint8))
    covered = cv2.resize(near, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST)
    rest = np.asarray(mask & (1 - covered), np.uint8)
    bridged = cv2.morphologyEx(rest, cv2.MORPH_CLOSE, np.ones((_BRIDGE, _BRIDGE), np.uint8))
    return np.asarray(rest | (mask & covered & bridged), np.uint8)


def _halved(mask: Image) -> Image:
    """Shrinks a mask to half its size; a pixel is ink if any of its four was."""
    height, width = (side // 2 * 2 for side in mask.shape)
    rows = np.maximum(mask[0:height:2], mask[1:height:2])
    return np.asarray(np.maximum(rows[:, 0:width:2], rows[:, 1:width:2]), np.uint8)


def _lying(thin: Image) -> Image:
    """Marks lines from side to side: uint8 of the shape of `thin`, 1 on lines."""
    height, width = thin.shape
    blocks = max(1, width // _BLOCK)
    # two rows together, so that a slanted line fills its blocks
    both = cv2.dilate(thin, np.ones((2, 1), np.uint8))
    shares = cv2.resize(both[:, : blocks * _BLOCK] * np.uint8(100), (blocks, height), interpolation=cv2.INTER_AREA)
    filled = np.asarray(shares >= 100 * _FILLED, np.uint8)
    found = np.zeros_like(filled)
    for kernel in _kernels():
        core = cv2.erode(filled, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        if cv2.countNonZero(core):
            # erosion and dilation by the same symmetric line: what is left is the line itself
            found |= cv2.dilate(core, kernel)
    if not cv2.countNonZero(found):
        return np.zeros_like(thin)
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


@functools.cache
def _kernels() -> tuple[Image, ...]:
    """Lying lines of blocks, one a slant."""
    kernels = []
    reach = LENGTH // 4 // _BLOCK
    along = np.arange(-reach, reach + 1)
    for slant in _SLANTS * _BLOCK:
        rise = math.ceil(abs(slant) * reach)
        kernel = np.zeros((2 * rise + 1, 2 * reach + 1), np.uint8)
        kernel[np.round(rise + slant * along).astype(int), along + reach] = 1
        kernels.append(kernel)
    return tuple(kernels)
