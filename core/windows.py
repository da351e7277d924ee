"""A row of digits that touch as windows that a model reads: each shows what stands around one column of it.

Where a window's middle is a digit's, the model says which; between two it says that there is none. So a row
is read without being cut. It knows nothing of models or frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgits.images import Image
from edgits.normalize import DIGIT_SHARE, INKED, extract_row, full, thickened

# Height of a normalised row in pixels: about that at which single digits are normalised.
_HEIGHT = 48
# The ink so near a window's middle, in heights of the row, tells how high the digit there is; this share at least.
_BESIDE, _LOWEST = 0.22, 0.45


@dataclass(frozen=True)
class Row:
    """A row of digits, normalised.

    Attributes:
        ink: uint8 (H, W), white on black; nothing but the row.
        start: Column of the crop at which it begins.
        scale: Its columns per column of the crop.
    """

    ink: Image
    start: float
    scale: float

    def columns(self, step: float) -> list[float]:
        """Returns columns of the crop over all of the row, `step` heights of the row apart."""
        step *= self.ink.shape[0]
        count = max(1, round(self.ink.shape[1] / step))
        return [self.start + (number + 0.5) * self.ink.shape[1] / count / self.scale for number in range(count)]

    def windows(self, columns: Sequence[float], size: int) -> list[Image]:
        """Returns what stands around columns of the crop, as large as single digits are.

        Args:
            columns: Middles of the windows.
            size: Side of a model's input in pixels.

        Returns:
            uint8 (size, size) each.
        """
        height, width = self.ink.shape
        most = round(height / DIGIT_SHARE)
        padded = cv2.copyMakeBorder(self.ink, most, most, most, most, cv2.BORDER_CONSTANT, value=0)
        reach = max(1, round(_BESIDE * height))
        found = []
        for column in columns:
            middle = min(max((column - self.start) * self.scale, 0), width)
            at = round(middle)
            inked = np.flatnonzero(self.ink[:, max(at - reach, 0) : at + reach + 1].max(axis=1) > INKED)
            top, bottom = (inked[0], inked[-1] + 1) if len(inked) else (0, height)
            side = max(bottom - top, _LOWEST * height) / DIGIT_SHARE
            left, up = round(middle + most - side / 2), round((top + bottom) / 2 + most - side / 2)
            seen = padded[up : up + round(side), left : left + round(side)]
            resampling = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
            found.append(np.asarray(cv2.resize(seen, (size, size), interpolation=resampling), np.uint8))
        return found


def normalize_row(crop: Image, box: tuple[int, int, int, int], *, dark_ink: bool | None = None) -> Row:
    """Normalises a row.

    Args:
        crop: uint8 (H, W) grey, the row with some paper around it.
        box: Where in the crop its ink is: left, top, width and height, in pixels.
        dark_ink: Whether the ink is darker than the paper, where that is known.
    """
    ink = extract_row(crop, dark_ink=dark_ink)
    across, down = ink.shape[1] / crop.shape[1], ink.shape[0] / crop.shape[0]
    left, wide = min(round(box[0] * across), ink.shape[1] - 1), max(round(box[2] * across), 1)
    top, high = min(round(box[1] * down), ink.shape[0] - 1), max(round(box[3] * down), 1)
    ink = thickened(ink, high)[top : top + high, left : left + wide]
    scale = _HEIGHT / ink.shape[0]
    shape = max(1, round(ink.shape[1] * scale)), _HEIGHT
    resized = cv2.resize(ink, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return Row(full(np.asarray(resized, np.uint8)), left / across, scale * across)
