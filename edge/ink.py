"""Sees a frame as ink on paper: paper's brightness, contrast to it, and which pixels are ink. Knows no marks."""

import cv2
import numpy as np

from edgits.images import Image

# The least share of the paper's light that ink takes away; faint pencil takes 0.1 to 0.2.
_MIN_CONTRAST = 0.09
# Ink is darker than the paper by so many times the noise that smoothing leaves.
_NOISE_MARGIN = 4.0
# A pixel is ink if it has this share of the strongest ink near it: cuts halos and bleed-through.
_SHARE_OF_PEAK = 0.38


def estimate_paper(gray: Image) -> Image:
    """Estimates the paper behind the ink: uint8 of the same shape, strokes closed over.

    A closing with a window of about a seventh of the frame removes dark strokes up
    to that width and keeps shadows and the edges of the sheet.
    """
    height, width = gray.shape
    step = 8 if min(height, width) >= 160 else 4 if min(height, width) >= 80 else 1
    size = (max(1, width // step), max(1, height // step))
    coarse = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    window = max(3, int(0.15 * min(height, width) / step) | 1)
    closed = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((window, window), np.uint8))
    closed = cv2.blur(closed, (3, 3))
    return np.asarray(cv2.resize(closed, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def contrast_to(gray: Image, paper: Image) -> Image:
    """Returns how much of the paper's light is missing: uint8, 0 none to 255 all."""
    return np.asarray(cv2.bitwise_not(cv2.divide(gray, cv2.max(paper, 1), scale=255)), np.uint8)


def ink_mask(gray: Image, ink: Image, paper: Image) -> Image:
    """Marks ink: dark enough for its surroundings, and for the sensor's noise, which weighs more in the dark."""
    smooth = cv2.GaussianBlur(ink, (3, 3), 0)
    rough = cv2.absdiff(gray, cv2.GaussianBlur(gray, (3, 3), 0))[::4, ::4]
    noise = 1.4826 * float(np.median(rough))
    least = np.uint8(round(_MIN_CONTRAST * 255))
    reach = max(9, int(0.05 * min(ink.shape)) | 1)
    peak = cv2.dilate(smooth, np.ones((reach, reach), np.uint8))
    limit = cv2.max(cv2.convertScaleAbs(peak, alpha=_SHARE_OF_PEAK), np.full_like(peak, least))
    if noise > 0:
        limit = cv2.max(limit, cv2.divide(np.full_like(paper, 255), cv2.max(paper, 1), scale=_NOISE_MARGIN * noise))
    return np.asarray(cv2.compare(smooth, limit, cv2.CMP_GT) & 1, np.uint8)
