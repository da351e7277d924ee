"""The one image normalisation: a crop becomes the model's input, in training as on the camera.

It knows nothing of models or frames. What it does is recorded in every model card by
`Normalization`, and a card that asks for another version is refused.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import ModelError
from edgits.images import Image, to_gray

Floats = npt.NDArray[np.float32]

VERSION = 1
# MNIST's own layout (LeCun et al. 1998): the digit's longer side is 20 of 28 pixels, centred by mass.
_DIGIT_SHARE = 20 / 28
# Larger crops are shrunk first: a digit's shape is settled well below this, and time stays bounded.
_WORK_SIZE = 96
# Strokes thinner than this share of the digit's longer side are thickened to it, since
# shrinking would fade them; MNIST's own strokes are 0.10 to 0.20 (1.6 of 20 pixels is 0.08).
_THINNEST_STROKE = 0.08


@dataclass(frozen=True)
class Normalization:
    """How a crop becomes model input.

    Attributes:
        method: ``"ink"`` finds the digit in the crop, removes paper, light and polarity and
            places it as MNIST does; ``"resize"`` only makes it grey, one size and [0, 1].
        size: Side of the square input in pixels.
        version: Version of this module's arithmetic.
    """

    method: Literal["ink", "resize"] = "ink"
    size: int = 28
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.method not in ("ink", "resize"):
            raise ModelError(f"normalisation method must be 'ink' or 'resize', found {self.method!r}; update edgits")
        if self.version != VERSION:
            raise ModelError(
                f"the model was made with normalisation version {self.version}, this edgits has {VERSION}; "
                "export the model again, or install the edgits that made it"
            )
        if not 8 <= self.size <= 512:
            raise ModelError(f"input size must be 8 to 512 pixels, found {self.size}")

    def one(self, crop: Image) -> Image:
        """Normalises one crop.

        Args:
            crop: uint8 (H, W), (H, W, 1) or (H, W, 3), any size, either polarity.

        Returns:
            uint8 (size, size); with ``"ink"`` white ink on black whatever the crop had.
        """
        gray = to_gray(crop)
        if self.method == "resize":
            shrink = max(gray.shape) > self.size
            interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(gray, (self.size, self.size), interpolation=interpolation), np.uint8)
        return place(extract_ink(gray), self.size)

    def batch(self, crops: Iterable[Image]) -> Floats:
        """Normalises crops into a model's input: float32 (N, size, size, 1) in [0, 1]."""
        ready = [self.one(crop) for crop in crops]
        if not ready:
            return np.zeros((0, self.size, self.size, 1), np.float32)
        return np.stack(ready)[..., None].astype(np.float32) / 255.0

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


def extract_ink(gray: Image) -> Image:
    """Separates ink from paper: light, shade and polarity go, the strokes stay.

    The paper's brightness is a plane fitted to the crop's border, so a shadow or a lamp
    beside the digit cancels out; the noise measured there sets the floor of what is ink.

    Args:
        gray: uint8 (H, W), dark ink on light or the reverse.

    Returns:
        uint8 (H', W') with H', W' at most 96: 0 paper, 255 full ink, and nothing
        but the digit itself (specks, and lines or neighbours at the border, are removed).
    """
    longest = max(gray.shape)
    if longest > _WORK_SIZE:
        scale = _WORK_SIZE / longest
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
    difference, noise = _subtract_paper(gray.astype(np.float32))
    smooth = cv2.blur(difference, (3, 3)) if min(gray.shape) >= 12 else difference
    low, high, _, _ = cv2.minMaxLoc(smooth)
    if -low > high:
        difference, high = -difference, -low
    if high < 1:
        return np.zeros_like(gray)
    floor = float(np.clip(2.5 * noise, 0.12 * high, 0.4 * high))
    top = max(0.85 * high, floor + 1)
    ink = np.clip((difference - floor) * (255 / (top - floor)), 0, 255).astype(np.uint8)
    return _keep_digit(ink)


def _subtract_paper(gray: Floats) -> tuple[Floats, float]:
    """Returns the difference to the paper's plane and the noise (sigma) seen at the border."""
    height, width = gray.shape
    rim = max(1, min(height, width) // 16)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    at_rim = np.ones(gray.shape, bool)
    at_rim[rim:-rim, rim:-rim] = False
    values = gray[at_rim]
    points = np.stack([x[at_rim] / width, y[at_rim] / height, np.ones_like(values)], axis=1)
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle)))
    plane = np.array([0, 0, middle], np.float32)
    for _ in range(2):  # the second fit leaves out ink that crosses the border
        residual = values - points @ plane
        near = np.abs(residual) <= max(3 * 1.4826 * spread, 8)
        if near.sum() < max(8, 0.3 * len(values)):
            break
        selected = points[near]
        plane = np.linalg.solve(selected.T @ selected + 1e-3 * np.eye(3), selected.T @ values[near]).astype(np.float32)
        spread = float(np.median(np.abs(values[near] - selected @ plane)))
    paper = plane[0] * x / width + plane[1] * y / height + plane[2]
    return gray - paper, 1.4826 * spread


def _keep_digit(ink: Image) -> Image:
    """Clears every connected blob that isn't part of the digit in the middle."""
    height, width = ink.shape
    mask = (ink > 96).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 2:
        return ink
    left, top, wide, high, area = stats[1:].T
    off_centre = np.hypot(centres[1:, 0] / width - 0.5, centres[1:, 1] / height - 0.5)
    extent = np.maximum(wide / width, high / height)
    main = int(np.argmax(area * np.maximum(1 - 1.6 * off_centre, 0.05) * np.minimum(extent, 0.6)))
    edge = (left == 0) | (top == 0) | (left + wide == width) | (top + high == height)
    overlaps = (left < left[main] + wide[main]) & (left + wide > left[main])
    keep = (area >= 0.04 * area[main]) & (~edge | (overlaps & (area < 0.5 * area[main]) & edge[main]))
    keep[main] = True
    drop = np.flatnonzero(~keep) + 1
    if len(drop) == 0:
        return ink
    gone = cv2.dilate(np.isin(labels, drop).astype(np.uint8), np.ones((3, 3), np.uint8))
    cleared = ink.copy()
    cleared[(gone > 0) & ~np.isin(labels, np.flatnonzero(keep) + 1)] = 0
    return cleared


def place(ink: Image, size: int) -> Image:
    """Places ink as MNIST does: longer side 20/28 of `size`, centred by mass.

    Args:
        ink: uint8 (H, W), white on black.
        size: Side of the result in pixels.

    Returns:
        uint8 (size, size); all black where there was no ink.
    """
    mask = (ink > 64).astype(np.uint8)
    left, top, wide, high = cv2.boundingRect(mask)
    result = np.zeros((size, size), np.uint8)
    if wide == 0 or high == 0:
        return result
    target = _DIGIT_SHARE * size
    longest = max(wide, high)
    ink, mask = np.pad(ink, 4), np.pad(mask, 4)
    stroke = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max()) - 1
    missing = round(_THINNEST_STROKE * longest - stroke)
    if missing > 0:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (missing + 1, missing + 1))
        ink = np.asarray(cv2.dilate(ink, kernel), np.uint8)
    digit = ink[top + 3 : top + high + 5, left + 3 : left + wide + 5]
    scale = target / longest
    shape = (max(1, round(digit.shape[1] * scale)), max(1, round(digit.shape[0] * scale)))
    small = np.asarray(cv2.resize(digit, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
    peak = float(small.max())
    if 0 < peak < 255:
        small = np.minimum(small * (255 / peak), 255).astype(np.uint8)
    moments = cv2.moments(small)
    offset_x = round(size / 2 - moments["m10"] / moments["m00"] - 0.5)
    offset_y = round(size / 2 - moments["m01"] / moments["m00"] - 0.5)
    offset_x = int(np.clip(offset_x, 0, size - shape[0]))
    offset_y = int(np.clip(offset_y, 0, size - shape[1]))
    result[offset_y : offset_y + shape[1], offset_x : offset_x + shape[0]] = small
    return result
