"""Reading one image file, whatever it holds, as 8-bit colour. Doesn't know what is on it."""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import DataError
from edgits.image_size import declared_size
from edgits.limits import PIXELS

Image = npt.NDArray[np.uint8]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".gif"})

_MAY_BE_TRANSPARENT = (b"\x89PNG", b"RIFF", b"GIF8")
_MOST_BYTES_A_PIXEL = 8  # four channels of 16 bits, not packed
_PART = 256  # rows


def read_image(path: Path) -> Image:
    """Reads an image file; its EXIF orientation is applied, 16 bits become 8, what is transparent is white.

    Of an animation the first picture is read. An image with transparency is not turned.

    Args:
        path: The file; the content decides the format, not the suffix.

    Returns:
        uint8 (H, W, 3), blue-green-red as OpenCV has it.

    Raises:
        DataError: The file is missing, empty, larger than `edgits.limits.PIXELS` allows, or holds no image
            that OpenCV can decode.
    """
    data = _content(path)
    size = declared_size(data)
    if size is None or 0 in size:
        raise DataError(f"'{path}' holds no readable image ({len(data)} bytes); give a PNG or JPEG")
    if size[0] * size[1] > PIXELS.amount():
        raise DataError(
            f"'{path}' declares {size[0]}x{size[1]} pixels, more than {PIXELS.amount() / 1e6:g} million; "
            f"give a smaller image, or raise the limit: {PIXELS.variable}={math.ceil(size[0] * size[1] / 1e6)}"
        )
    packed = np.frombuffer(data, np.uint8)
    try:
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        unchanged = cv2.imdecode(packed, cv2.IMREAD_UNCHANGED) if data[:4] in _MAY_BE_TRANSPARENT else None
    except cv2.error as error:
        raise DataError(f"'{path}' can't be decoded: {error.err}; give a smaller or another image") from error
    if image is None or 0 in image.shape:
        raise DataError(f"'{path}' holds no readable image ({len(data)} bytes); give a PNG or JPEG")
    if unchanged is not None and unchanged.ndim == 3 and unchanged.shape[2] == 4:
        return _on_white(unchanged)
    return np.asarray(image, np.uint8)


def _content(path: Path) -> bytes:
    """Reads a file, but no more of it than the largest image may have, and no device without an end."""
    most = _MOST_BYTES_A_PIXEL * PIXELS.amount() + 2**20
    try:
        with open(path, "rb") as file:
            data = file.read(min(most, path.stat().st_size or most) + 1)  # a pipe has no size
    except OSError as error:
        raise DataError(f"can't read '{path}': {error.strerror}; give the path of an image") from error
    except ValueError as error:  # a zero byte in the name
        raise DataError(f"can't read {str(path)!r}: {error}; give the path of an image") from error
    if not data:
        raise DataError(f"'{path}' is empty (0 bytes); give an image")
    if len(data) > most:
        raise DataError(
            f"'{path}' is larger than an image of {PIXELS.amount() / 1e6:g} million pixels; "
            f"give a smaller one, or raise the limit {PIXELS.variable}"
        )
    return data


def _on_white(image: npt.NDArray[Any]) -> Image:
    """Lays a transparent image, (H, W, 4), on white; by parts, so that a large one doesn't fill the memory."""
    full = np.iinfo(image.dtype).max
    result = np.empty((*image.shape[:2], 3), np.uint8)
    for top in range(0, len(image), _PART):
        part = image[top : top + _PART].astype(np.float32) / full
        result[top : top + _PART] = np.round(255 * (1 - part[:, :, 3:] * (1 - part[:, :, :3])))
    return result


def to_gray(image: npt.NDArray[np.uint8]) -> Image:
    """Makes an image grey.

    Args:
        image: uint8 (H, W), (H, W, 1), (H, W, 3) in blue-green-red, or (H, W, 4).

    Returns:
        uint8 (H, W).
    """
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[:, :, 0]
    code = cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY
    return np.asarray(cv2.cvtColor(image, code), np.uint8)
