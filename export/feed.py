"""How raw images become a model's input, for any model of one image: edgits' own normalisation or a plain resize.

It reads labelled images; it knows no model file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits.card import ModelCard
from edgits.edge.runtimes import Floats
from edgits.errors import DataError
from edgits.normalize import Normalization
from edgits.train.data import load_dataset


@dataclass(frozen=True)
class Samples:
    """Labelled images, as they were read.

    Attributes:
        images: uint8 (N, H, W), or (N, H, W, 3) red-green-blue.
        labels: int64 (N,), an index into the model's labels.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[Any]) -> "Samples":
        """Returns the images and labels at `index`, an integer or boolean array."""
        return replace(self, images=self.images[index], labels=self.labels[index])


@dataclass(frozen=True)
class Feed:
    """How images become input.

    Attributes:
        shape: Height, width and channels (1 or 3) of the input.
        normalization: Used where it makes images of that shape; others are resized, whatever their proportions.
    """

    shape: tuple[int, ...]
    normalization: Normalization

    @classmethod
    def of(cls, card: ModelCard) -> "Feed":
        """Returns what a card asks for."""
        return cls(card.input.shape, card.normalization)

    @property
    def own(self) -> bool:
        """Whether edgits' normalisation makes this shape."""
        size = self.normalization.size
        return self.shape == (size, size, 1)

    def batch(self, images: npt.NDArray[np.uint8]) -> Floats:
        """Returns input of images as `Samples` has them: float32 (N, *shape) in [0, 1]."""
        if not self.own:
            values = np.stack([_resized(image, self.shape) for image in images])
            return np.asarray(values.astype(np.float32) / 255, np.float32)
        grey = images if images.ndim == 3 else [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
        return self.normalization.batch(grey)


def _resized(image: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    height, width, channels = shape
    if channels == 1 and image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    if channels == 3 and image.ndim == 2:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    shrinks = image.shape[0] > height
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8).reshape(shape)


def load_samples(data: str, labels: Sequence[str], channels: int) -> Samples:
    """Loads labelled images.

    Args:
        data: As `load_dataset` reads it; or an ``.npz`` with uint8 `images` (N, H, W) or (N, H, W, 3) and
            integer `labels`, of which nothing is changed: for models in colour, or of other things than digits.
        labels: The model's.
        channels: The model's.

    Raises:
        DataError: There are no such images, or labels that the model hasn't.
    """
    if Path(data).suffix == ".npz" and (channels == 3 or len(labels) not in (10, 11)):
        return _read_npz(Path(data), len(labels))
    dataset = load_dataset(data)
    if len(labels) < len(dataset.class_names):
        raise DataError(
            f"'{data}' has {len(dataset.class_names)} classes, the model {len(labels)}; give its own images"
        )
    return Samples(dataset.images, dataset.labels)


def _read_npz(path: Path, classes: int) -> Samples:
    try:
        with np.load(path) as stored:
            images, labels = stored["images"], stored["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"'{path}' can't be read: {error}; it needs arrays 'images' and 'labels'") from error
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
        found = f"{images.dtype} {images.shape}"
        raise DataError(f"images in '{path}' must be uint8 (N, H, W) or (N, H, W, 3), found {found}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not len(labels):
        raise DataError(f"labels in '{path}' must be {len(images)} integers, found {labels.dtype} {labels.shape}")
    if not 0 <= labels.min() <= labels.max() < classes:
        found = f"{labels.min()} to {labels.max()}"
        raise DataError(f"labels in '{path}' must be 0 to {classes - 1}, as the model has outputs, found {found}")
    return Samples(images, labels.astype(np.int64))
