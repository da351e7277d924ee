"""Sees a frame as ink on paper, at several sizes: how much of the paper's light is missing where. Knows no marks.

Every size is seen with windows of the same number of pixels, so what is ink is a stroke at its size: paper's
texture and the sensor's noise are gone where large digits are seen, and a shadow's edge is a step, not a stroke.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edgits.images import Image

# The least share of the paper's light that ink takes away; faint pencil takes 0.1 to 0.2.
_MIN_CONTRAST = 0.085
# Ink is darker than the paper by so many times the noise that smoothing leaves.
_NOISE_MARGIN = 4.0
# A pixel is ink if it has this share of the strongest ink near it: cuts halos and bleed-through.
_SHARE_OF_PEAK = 0.38
# How near, in pixels.
_REACH = 25
# A line's rims are blurred so far, in pixels, line and both rims together.
_RIM = 9
# What is no thicker than this many pixels is a stroke by its own edges, whatever the light is around it.
_THIN = 9
# The thickest stroke, in pixels, at the size where its digit is looked for.
_THICK = 40
# Grey levels of paper; none is quite black.
_LIGHTS = np.maximum(np.arange(256), 1)
# The paper is estimated at a size halved so many times: a shadow's end is blurred over fewer than `_THIN` pixels.
_COARSE = 2
# Frames are seen down to this size (shorter side, pixels).
_LEAST_SIDE = 96


@dataclass(frozen=True, eq=False)
class Level:
    """A frame seen at one size.

    Attributes:
        gray: uint8 (H, W), as it came, smoothed a little.
        ink: uint8 (H, W), how much of the paper's light is missing: 0 none to 255 all.
        floor: uint8 (H, W), what `ink` must be above to be ink at all.
        mask: uint8 (H, W), 1 where there is ink.
        scale: Pixels of the frame for one of its own.
        corner: Where its left and top are in the frame, in pixels of that.
    """

    gray: Image
    ink: Image
    floor: Image
    mask: Image
    scale: float
    corner: tuple[int, int] = (0, 0)


def scales_of(shape: tuple[int, ...], scale: float = 1.0) -> list[float]:
    """Returns the scales that a frame of a shape is seen at, the finest first, which is `scale`."""
    return [scale * 2**k for k in range(min(shape).bit_length()) if k == 0 or min(shape) >> k >= _LEAST_SIDE]


def see(
    gray: Image, *, scale: float = 1.0, corner: tuple[int, int] = (0, 0), only: Collection[float] | None = None
) -> list[Level]:
    """Sees a frame, or a part of it, as dark ink on paper.

    Args:
        gray: uint8 (H, W).
        scale: Pixels of the frame for one of `gray`.
        corner: Where the left and top of `gray` are in the frame, in pixels of that.
        only: The scales to see it at; by default all.

    Returns:
        The frame at its own size, at half, at a quarter … of it.
    """
    sizes = [gray]
    while min(sizes[-1].shape) >= 8:
        height, width = (max(2, side // 2 * 2) for side in sizes[-1].shape)
        half = (width // 2, height // 2)
        sizes.append(np.asarray(cv2.resize(sizes[-1][:height, :width], half, interpolation=cv2.INTER_AREA), np.uint8))
    wanted = scales_of(gray.shape, scale) if only is None else only
    return [_level(sizes, k, scale * 2**k, corner) for k in range(len(sizes)) if scale * 2**k in wanted]


def _level(sizes: list[Image], k: int, scale: float, corner: tuple[int, int]) -> Level:
    gray = sizes[k]
    steps = min(_COARSE, len(sizes) - 1 - k) if min(gray.shape) >= 40 else 0
    paper = estimate_paper(sizes[k + steps], (gray.shape[1], gray.shape[0]), 2**steps)
    smooth = np.asarray(cv2.GaussianBlur(gray, (3, 3), 0), np.uint8)
    ink, floor = contrast_to(smooth, paper), least_ink(gray, smooth, paper)
    return Level(smooth, ink, floor, ink_mask(ink, floor), scale, corner)


def without(level: Level, lines: Image) -> tuple[Level, Image]:
    """Sees what dark lines hide: beside them faint strokes are no ink.

    Args:
        level: The level.
        lines: uint8 (H, W), 1 on the lines.

    Returns:
        The level, whose mask has the lines with their blurred rims, and the mask of all other ink.
    """
    rims = cv2.dilate(lines, np.ones((_RIM, _RIM), np.uint8))
    fresh = ink_mask(np.asarray(level.ink * (1 - rims), np.uint8), level.floor)
    rest = np.asarray(cv2.subtract(level.mask, lines) | fresh, np.uint8)
    return replace(level, mask=np.asarray(rest | cv2.dilate(lines, np.ones((3, 3), np.uint8)), np.uint8)), rest


def estimate_paper(coarse: Image, size: tuple[int, int], step: int) -> Image:
    """Estimates the paper behind the ink: uint8 of `size` (width, height), strokes closed over.

    Args:
        coarse: uint8, the frame shrunk `step` times.
        size: Width and height of the result.
        step: Pixels of the result for one of `coarse`.
    """
    window = max(3, _THICK // step | 1)
    # where the light falls off towards the frame's rim, it goes on beyond it
    padded = cv2.copyMakeBorder(coarse, window, window, window, window, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((window, window), np.uint8))
    closed = closed[window:-window, window:-window]
    return np.asarray(cv2.resize(closed, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def contrast_to(gray: Image, paper: Image) -> Image:
    """Returns how much of the paper's light is missing: uint8, 0 none to 255 all.

    Thin strokes are measured against what is beside them, pixel by pixel (a black top-hat, Meyer 1979), and only
    thick ones against the paper, which is not known well where a shadow ends. On even paper both add up to the
    plain difference.
    """
    kernel = np.ones((_THIN, _THIN), np.uint8)
    thin = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, kernel)
    thick = cv2.morphologyEx(cv2.subtract(paper, gray), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.divide(cv2.add(thin, thick), cv2.max(paper, 1), scale=255), np.uint8)


def least_ink(gray: Image, smooth: Image, paper: Image) -> Image:
    """Returns what ink must be above: uint8 (H, W). The sensor's noise weighs more in the dark."""
    rows, columns = max(8, gray.shape[0] // 60), max(4, gray.shape[1] // 160)  # some ten thousand pixels tell enough
    noise = 1.4826 * float(np.median(cv2.absdiff(gray[::rows, ::columns], smooth[::rows, ::columns])))
    table = np.clip(np.rint(255 * _NOISE_MARGIN * noise / _LIGHTS), round(_MIN_CONTRAST * 255), 255)
    return np.asarray(cv2.LUT(paper, table.astype(np.uint8)), np.uint8)


def ink_mask(ink: Image, floor: Image) -> Image:
    """Marks ink: dark enough, and for its surroundings, too."""
    peak = cv2.dilate(ink, np.ones((_REACH, _REACH), np.uint8))
    limit = cv2.max(cv2.convertScaleAbs(peak, alpha=_SHARE_OF_PEAK), floor)
    return np.asarray(cv2.compare(ink, limit, cv2.CMP_GT) & 1, np.uint8)
