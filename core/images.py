"""Reading one image file, whatever it holds, as 8-bit colour. Doesn't know what is on it."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import DataError

Image = npt.NDArray[np.uint8]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".gif"})


def read_image(path: Path) -> Image:
    """Reads an image file; its EXIF orientation is applied, 16 bits become 8, what is transparent is white.

    Args:
        path: The file; the content decides the format, not the suffix.

    Returns:
        uint8 (H, W, 3), blue-green-red as OpenCV has it.

    Raises:
        DataError: The file is missing, empty, or holds no image that OpenCV can decode.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"can't read '{path}': {error.strerror}; give the path of an image") from error
    if data.size == 0:
        raise DataError(f"'{path}' is empty (0 bytes); give an image")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"'{path}' can't be decoded: {error.err}; give a smaller or another image") from error
    if image is None:
        raise DataError(f"'{path}' holds no readable image ({data.size} bytes); give a PNG or JPEG")
    if data[:4].tobytes() in (b"\x89PNG", b"RIFF"):
        image = _on_white(image, cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    return np.asarray(image, np.uint8)


def _on_white(image: Image, unchanged: npt.NDArray[np.generic] | None) -> Image:
    """Lays a transparent image on white, where the decoder would have laid it on black."""
    if unchanged is None or unchanged.ndim != 3 or unchanged.shape[2] != 4 or unchanged.dtype != np.uint8:
        return image
    alpha = unchanged[:, :, 3:].astype(np.float32) / 255
    return np.asarray(image * alpha + 255 * (1 - alpha), np.uint8)


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
