"""The one image normalisation: a crop becomes the model's input, in training as on the camera.

It knows nothing of models or frames. What it does is recorded in every model card by
`Normalization`, and a card that asks for another version is refused.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import ModelError
from edgits.fields import ink_on_fields
from edgits.images import Image, to_gray

Floats = npt.NDArray[np.float32]

VERSION = 2
# Models made with an earlier one are read as they were made.
_VERSIONS = (1, VERSION)
# MNIST's own layout (LeCun et al. 1998): the digit's longer side is 20 of 28 pixels, centred by mass.
DIGIT_SHARE = 20 / 28
# Larger crops are shrunk first: a digit's shape is settled well below this, and time stays bounded.
_WORK_SIZE = 64
# A blob belongs to the digit if its pixels lie about as near the middle as the main stroke's:
# the bar of a 5 has 0.6 of its weight, a frame around the digit 0.3.
_CENTRE_WIDTH, _LEAST_MIDDLING = 0.35, 0.42
# What is wider than this share of the crop is paper or shadow, not a stroke.
_WIDEST_STROKE = 0.36
# What is brighter is ink, once paper is taken away.
INKED = 64
# Ink of fewer pixels than this a side is not enlarged any further: it is a speck.
_SPECK = 5
# Smooths a histogram of grey levels, so that its highest peak is the paper's.
_PEAK = np.hanning(19).astype(np.float32)
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
        version: Version of this module's arithmetic; 1 looks for no edges across the paper.
    """

    method: Literal["ink", "resize"] = "ink"
    size: int = 28
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.method not in ("ink", "resize"):
            raise ModelError(f"normalisation method must be 'ink' or 'resize', found {self.method!r}; update edgits")
        if self.version not in _VERSIONS:
            raise ModelError(
                f"the model was made with normalisation version {self.version}, this edgits has 1 to {VERSION}; "
                "install the edgits that made it, or a newer one"
            )
        if not 8 <= self.size <= 512:
            raise ModelError(f"input size must be 8 to 512 pixels, found {self.size}")

    def one(self, crop: Image, *, dark_ink: bool | None = None) -> Image:
        """Normalises one crop.

        Args:
            crop: uint8 (H, W), (H, W, 1) or (H, W, 3), any size, either polarity.
            dark_ink: Whether the ink is darker than the paper, where that is known.

        Returns:
            uint8 (size, size); with ``"ink"`` white ink on black whatever the crop had.
        """
        gray = to_gray(crop)
        if self.method == "resize":
            gray = _squared(gray)
            shrink = max(gray.shape) > self.size
            interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(gray, (self.size, self.size), interpolation=interpolation), np.uint8)
        return place(extract_ink(gray, dark_ink=dark_ink, fields=self.version > 1), self.size)

    def batch(self, crops: Iterable[Image], *, dark_ink: bool | None = None) -> Floats:
        """Normalises crops, each as `one` does, into a model's input: float32 (N, size, size, 1) in [0, 1]."""
        ready = [self.one(crop, dark_ink=dark_ink) for crop in crops]
        if not ready:
            return np.zeros((0, self.size, self.size, 1), np.float32)
        return np.stack(ready)[..., None].astype(np.float32) / 255.0

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


def _squared(gray: Image) -> Image:
    """Fills the shorter side up with the border's median grey, so that digits keep their proportions."""
    height, width = gray.shape
    if height == width:
        return gray
    level = int(np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])))
    before, after = abs(height - width) // 2, (abs(height - width) + 1) // 2
    top, bottom, left, right = (before, after, 0, 0) if height < width else (0, 0, before, after)
    padded = cv2.copyMakeBorder(gray, top, bottom, left, right, cv2.BORDER_CONSTANT, value=level)
    return np.asarray(padded, np.uint8)


def extract_ink(gray: Image, *, dark_ink: bool | None = None, fields: bool = True) -> Image:
    """Separates ink from paper: light, shade and polarity go, the strokes stay.

    The paper is what an opening leaves (a white top-hat, Meyer 1979): strokes narrower than its
    window are removed, a lamp's slope and a shadow's edge stay and cancel out; where a hard edge
    crosses all of the crop, each side of it is evened out first. The noise measured on the paper
    sets the floor of what is ink.

    Args:
        gray: uint8 (H, W), dark ink on light or the reverse.
        dark_ink: Which of both, where that is known.
        fields: Whether hard edges between two tones of paper are looked for first (`ink_on_fields`).

    Returns:
        uint8 (H', W') with H', W' at most 64: 0 paper, 255 full ink, and nothing
        but the digit itself (specks, and lines or neighbours at the border, are removed).
    """
    gray = _shrunk(gray, max(gray.shape))
    leveled = ink_on_fields(gray, dark_ink=dark_ink) if fields else None
    if leveled is not None:
        gray, dark_ink = leveled, False
    return _keep_digit(_ink(gray, dark_ink, max(gray.shape)))


def extract_row(gray: Image, *, dark_ink: bool | None = None) -> Image:
    """Separates the ink of a row of digits from paper, as `extract_ink` does that of one, and keeps all of it.

    Args:
        gray: uint8 (H, W), the row with some paper around it, and its height much of H.
        dark_ink: Whether the ink is darker than the paper, where that is known.

    Returns:
        uint8 (H', W') with H' at most 64: 0 paper, 255 full ink.
    """
    wide = gray.shape[0] // 2
    beside = int(np.median(gray[[0, -1]]))  # a row may go on beyond the crop: paper, so that it stays ink
    ink = _ink(cv2.copyMakeBorder(gray, 0, 0, wide, wide, cv2.BORDER_CONSTANT, value=beside), dark_ink, gray.shape[0])
    own = max(1, round(gray.shape[1] * ink.shape[0] / gray.shape[0]))
    edge = (ink.shape[1] - own) // 2
    return ink[:, edge : edge + own]


def _shrunk(gray: Image, length: int) -> Image:
    """Shrinks digits that are `length` pixels long, with some paper, to the size that is worked on."""
    if length <= _WORK_SIZE:
        return gray
    scale = _WORK_SIZE / length
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ink(gray: Image, dark_ink: bool | None, length: int) -> Image:
    """Takes paper and light away from digits that are `length` pixels long, with some paper."""
    gray = _shrunk(gray, length)
    if _is_dark_ink(gray) if dark_ink is None else dark_ink:
        gray = cv2.bitwise_not(gray)
    side = min(gray.shape)
    smooth = cv2.blur(gray, (3, 3)) if side >= 20 else gray
    window = max(3, int(_WIDEST_STROKE * min(length, _WORK_SIZE)) | 1)
    paper = cv2.blur(_open(smooth, window), (3, 3))
    ink = cv2.subtract(gray, paper)
    clear = cv2.subtract(smooth, paper)
    rim = side // 5 if side >= 12 else 0  # a frame around the digit may be darker than its ink
    high = float(clear[rim : gray.shape[0] - rim, rim : gray.shape[1] - rim].max())
    if high < 2:
        return np.zeros_like(gray)
    sample = np.sort(ink[::2, ::2], axis=None)
    middle = len(sample) // 2
    noise = float(sample[middle]) + 1.5 * (float(sample[middle]) - float(sample[middle // 4]))
    floor = round(min(max(noise, 0.12 * high), 0.4 * high))
    gain = 255 / max(0.85 * high - floor, 1)
    above = np.maximum(ink, floor) - np.uint8(floor)
    return np.asarray(cv2.convertScaleAbs(above, alpha=gain), np.uint8)


def _open(gray: Image, window: int) -> npt.NDArray[np.uint8]:
    """Opens with a square window; where ink reaches the border, paper is taken to lie beyond it."""
    kernel = np.ones((window, window), np.uint8)
    rim = np.sort(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
    beyond = int(rim[len(rim) // 2])
    brightest = int(gray.max())
    if int(rim[-len(rim) // 25 - 1]) - beyond < 0.7 * (brightest - beyond):
        return np.asarray(cv2.morphologyEx(gray, cv2.MORPH_OPEN, kernel), np.uint8)
    wide = window // 2 + 1
    padded = cv2.copyMakeBorder(gray, wide, wide, wide, wide, cv2.BORDER_CONSTANT, value=beyond)
    return np.asarray(cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)[wide:-wide, wide:-wide], np.uint8)


@lru_cache(maxsize=256)
def _grid(height: int, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats, Floats]:
    """Returns rows and columns of at most 16x16 sample points, their plane coordinates and a plane fit's matrix."""
    rows = np.linspace(0, height - 1, min(height, 16)).round().astype(np.intp)
    columns = np.linspace(0, width - 1, min(width, 16)).round().astype(np.intp)
    y, x = np.meshgrid(rows / height - 0.5, columns / width - 0.5, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1).astype(np.float32)
    return rows[:, None], columns[None, :], points, np.linalg.pinv(points).astype(np.float32)


def _is_dark_ink(gray: Image) -> bool:
    """Tells the ink's side of the paper's brightness, which is what most sample points agree on."""
    rows, columns, points, fit = _grid(*gray.shape)
    values = gray[rows, columns].ravel().astype(np.float32)
    middle = float(np.sort(values)[len(values) // 2])
    spread = max(2 * float(np.sort(np.abs(values - middle))[len(values) // 2]), 12)
    residual = values - points @ (fit @ np.clip(values, middle - spread, middle + spread))
    # beside a steep edge the plane may overshoot what a pixel can be
    counts = np.bincount(np.clip(residual + 256, 0, 511).astype(np.intp), minlength=512)
    paper = int(np.convolve(counts, _PEAK, "same").argmax()) - 256
    ordered = np.sort(residual) - paper
    tail = len(ordered) // 50
    return bool(-ordered[tail] > ordered[-1 - tail])


@lru_cache(maxsize=256)
def _centre_weights(height: int, width: int) -> npt.NDArray[np.float64]:
    """A bell over the crop: what lies in the middle is what the crop was cut for. Doubles, which `np.bincount` adds."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    bell = np.asarray(np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / _CENTRE_WIDTH**2), np.float32)
    return bell.astype(np.float64).ravel()


def _keep_digit(ink: Image) -> Image:
    """Clears every connected blob that isn't part of the digit in the middle."""
    height, width = ink.shape
    mask = (ink > 96).view(np.uint8)
    if cv2.connectedComponents(mask, connectivity=8)[0] <= 2:  # many times faster without their sizes
        return ink
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    left, top, wide, high, area = stats[1:].T
    mass = np.bincount(labels.ravel(), weights=_centre_weights(height, width), minlength=count)[1:]
    main = int(mass.argmax())
    middling = mass / area
    edge = (left == 0) | (top == 0) | (left + wide == width) | (top + high == height)
    overlaps = (left < left[main] + wide[main]) & (left + wide > left[main])
    # at the border: only what a digit that is cut by it itself has beside its main stroke
    keep = (area >= 0.04 * area[main]) & (middling >= _LEAST_MIDDLING * middling[main])
    keep &= ~edge | (overlaps & (area < 0.5 * area[main]) & edge[main])
    keep[main] = True
    if keep.all():
        return ink
    kept = np.concatenate([[False], keep])[labels]
    near = cv2.dilate(kept.view(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(ink * near, np.uint8)


def place(ink: Image, size: int) -> Image:
    """Places ink as MNIST does: longer side 20/28 of `size`, centred by mass.

    Args:
        ink: uint8 (H, W), white on black.
        size: Side of the result in pixels.

    Returns:
        uint8 (size, size); all black where there was no ink.
    """
    left, top, wide, high = cv2.boundingRect((ink > INKED).view(np.uint8))
    result = np.zeros((size, size), np.uint8)
    if wide == 0 or high == 0:
        return result
    target = DIGIT_SHARE * size
    longest = max(wide, high, _SPECK)
    ink = thickened(cv2.copyMakeBorder(ink, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0), longest)
    digit = ink[top + 3 : top + high + 5, left + 3 : left + wide + 5]
    scale = target / longest
    shape = (max(1, round(digit.shape[1] * scale)), max(1, round(digit.shape[0] * scale)))
    resampling = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = full(np.asarray(cv2.resize(digit, shape, interpolation=resampling), np.uint8))
    moments = cv2.moments(small)
    offset_x = round(size / 2 - moments["m10"] / moments["m00"] - 0.5)
    offset_y = round(size / 2 - moments["m01"] / moments["m00"] - 0.5)
    offset_x = max(0, min(offset_x, size - shape[0]))
    offset_y = max(0, min(offset_y, size - shape[1]))
    result[offset_y : offset_y + shape[1], offset_x : offset_x + shape[0]] = small
    return result


def thickened(ink: Image, longest: int) -> Image:
    """Makes strokes that shrinking would fade as thick as MNIST's thinnest.

    Args:
        ink: uint8 (H, W), white on black.
        longest: The digit's longer side in pixels.
    """
    mask = (ink > INKED).view(np.uint8)
    stroke = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max()) - 1
    missing = round(_THINNEST_STROKE * longest - stroke)
    if missing <= 0:
        return ink
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (missing + 1, missing + 1))
    return np.asarray(cv2.dilate(ink, kernel), np.uint8)


def full(ink: Image) -> Image:
    """Makes the darkest ink 255."""
    peak = float(ink.max())
    return np.minimum(ink * (255 / peak), 255).astype(np.uint8) if 0 < peak < 255 else ink
