"""A folder of labelled crops, one subfolder a digit, as `edgits train` reads it. Knows nothing of cameras and keys."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from edgits.dataset import DIGITS
from edgits.edge.frame import Report
from edgits.edge.sinks import write_image
from edgits.errors import DataError, OutputError
from edgits.images import SUFFIXES, Image, read_image, to_gray
from edgits.normalize import Normalization

Floats = npt.NDArray[np.float32]
Verdict = Literal["saved", "duplicate", "blurred"]

_NORMALIZATION = Normalization()
# Cosine of two normalised images. Of 300 MNIST images of a digit, 99 % are less alike than this to every
# other one (86 % of the ones); of 38 pictures of one written digit in the moving scene, 5 are.
_ALIKE = 0.95
# Variance of the Laplacian over the crop's own variance, at no more than `_SHARP_SIDE` pixels a side.
# In the scene, whose digits are 65 pixels high, 99 % are above 0.33; blurred by a Gaussian of 4 pixels, 85 % are below.
_LEAST_SHARPNESS, _SHARP_SIDE = 0.2, 32


@dataclass(frozen=True)
class Saved:
    """An image saved in this run.

    Attributes:
        path: The file.
        digit: 0 to 9.
        misread: Whether the model read another digit, or none.
    """

    path: Path
    digit: int
    misread: bool


class Collection:
    """A folder of labelled crops that grows; what is already there is gone on with.

    Args:
        folder: It and its subfolders are made when the first crop is saved.
        report: Is told which images there can't be read.

    Attributes:
        counts: Number of images of each digit, those of earlier runs included.
        saved: What this run has saved and not undone.
        duplicates: How many crops were left out because one like it is there.
        blurred: How many were left out because they were blurred.

    Raises:
        OutputError: The folder can't be written.
    """

    def __init__(self, folder: Path, *, report: Report) -> None:
        self._folder = folder
        for digit in DIGITS:
            _check_place(folder / digit)
        # one fingerprint a row
        self._known: list[Floats] = [self._there(folder / digit, report) for digit in DIGITS]
        self.saved: list[Saved] = []
        self.duplicates = self.blurred = 0

    @property
    def counts(self) -> tuple[int, ...]:
        """See the class."""
        return tuple(len(known) for known in self._known)

    def add(self, crop: Image, digit: int, *, misread: bool = False) -> Verdict:
        """Saves a crop as PNG, unless it is blurred or nearly the same as one of its digit that is there.

        Args:
            crop: uint8 (H, W), grey, not normalised.
            digit: 0 to 9.
            misread: Whether the model read another digit, or none.

        Raises:
            OutputError: It can't be written.
        """
        if sharpness(crop) < _LEAST_SHARPNESS:
            self.blurred += 1
            return "blurred"
        vector, known = fingerprint(crop), self._known[digit]
        if len(known) and float((known @ vector).max()) > _ALIKE:
            self.duplicates += 1
            return "duplicate"
        path = self._free_name(digit)
        write_image(path, crop)
        self._known[digit] = np.vstack([known, vector])
        self.saved.append(Saved(path, digit, misread))
        return "saved"

    def undo(self) -> Saved | None:
        """Deletes the image saved last in this run and returns what it was; None if there is none.

        Raises:
            OutputError: It can't be deleted.
        """
        if not self.saved:
            return None
        last = self.saved[-1]
        try:
            last.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"can't delete '{last.path}': {error.strerror}; delete it by hand") from error
        self.saved.pop()
        self._known[last.digit] = self._known[last.digit][:-1]
        return last

    def __str__(self) -> str:
        left_out = f"{self.duplicates} duplicate{'s' * (self.duplicates != 1)}, {self.blurred} blurred"
        return f"{len(self.saved)} saved · left out: {left_out}"

    def _there(self, folder: Path, report: Report) -> Floats:
        vectors = []
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith("."):
                try:
                    vectors.append(fingerprint(to_gray(read_image(path))))
                except DataError as error:
                    report(f"not counted: {error}")
        return np.array(vectors, np.float32).reshape(-1, _NORMALIZATION.size**2)

    def _free_name(self, digit: int) -> Path:
        """Names the next image by its number; those that are there keep theirs."""
        number = self.counts[digit] + 1
        while (path := self._folder / str(digit) / f"{number:05}.png").exists():
            number += 1
        return path


def fingerprint(crop: Image) -> Floats:
    """Returns what a crop is compared by: float32 (784,), the normalised image at length 1."""
    vector = _NORMALIZATION.one(crop).astype(np.float32).ravel()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1.0), np.float32)


def sharpness(crop: Image) -> float:
    """Measures how abruptly ink ends: the Laplacian's variance over the crop's, so that pale ink counts like dark.

    Args:
        crop: uint8 (H, W), grey. A large one is shrunk: only blur that is large beside the digit counts.
    """
    scale = _SHARP_SIDE / max(crop.shape)
    if scale < 1:
        size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    gray = crop.astype(np.float32)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var() / max(float(gray.var()), 1.0))


def _check_place(folder: Path) -> None:
    """Proves that a folder is there or can be made, without making it."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise OutputError(f"can't collect into '{folder}': '{place}' is no folder; give another place")
    if not os.access(place, os.W_OK):
        raise OutputError(f"can't collect into '{folder}': '{place}' can't be written; give another place")
