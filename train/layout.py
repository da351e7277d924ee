"""Brings grey images of any size to one size without bending the digit. Doesn't look for the digit."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgits.images import Image

SHORTEST, LONGEST = 28, 96
"""Limits of the side that `one_size` chooses: MNIST's, and what the normalisation works with at most."""


def shrink(gray: Image, longest: int) -> Image:
    """Shrinks an image whose longer side is above `longest` to it; uint8 (H, W) in and out."""
    return _scaled(gray, longest) if max(gray.shape) > longest else gray


def letterbox(gray: Image, side: int) -> Image:
    """Scales an image's longer side to `side` and fills up the shorter with the border's median grey.

    Args:
        gray: uint8 (H, W).
        side: Side of the result in pixels.

    Returns:
        uint8 (side, side).
    """
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    result = np.full((side, side), round(float(np.median(border))), np.uint8)
    scaled = _scaled(gray, side)
    height, width = scaled.shape
    top, left = (side - height) // 2, (side - width) // 2
    result[top : top + height, left : left + width] = scaled
    return result


def one_size(images: npt.NDArray[np.uint8] | Sequence[Image], size: int | None) -> npt.NDArray[np.uint8]:
    """Makes a stack of images.

    Args:
        images: uint8 (H, W) each, at least one.
        size: Side of the square result; by default images that have one size keep it, and
            others get the longest side found, both within `SHORTEST` and `LONGEST`.

    Returns:
        uint8 (N, H, W).
    """
    shapes = {image.shape for image in images}
    longest = max(max(shape) for shape in shapes)
    if size is None and len(shapes) == 1 and longest <= LONGEST:
        return np.asarray(images, np.uint8)
    side = size or min(max(longest, SHORTEST), LONGEST)
    if shapes == {(side, side)}:
        return np.asarray(images, np.uint8)
    return np.stack([letterbox(image, side) for image in images])


def _scaled(gray: Image, longest: int) -> Image:
    scale = longest / max(gray.shape)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, size, interpolation=interpolation), np.uint8)
