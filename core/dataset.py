"""What passes from data loaders to training, calibration and benchmarks. Reads no files."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.errors import DataError

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Dataset:
    """Labelled grey images of one size.

    Attributes:
        images: uint8 (N, H, W), as they were read: not normalised.
        labels: int64 (N,), an index into `class_names`.
        class_names: Name of each class.
        provenance: Where the images came from and what was left out, as JSON values.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...] = DIGITS
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 3:
            raise DataError(f"images must be uint8 (N, H, W), found {self.images.dtype} {self.images.shape}")
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.images),):
            raise DataError(
                f"labels must be int64 ({len(self.images)},), found {self.labels.dtype} {self.labels.shape}"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise DataError(
                f"labels must be 0 to {len(self.class_names) - 1}, found {self.labels.min()} to {self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[Any]) -> "Dataset":
        """Returns the images and labels at `index`, an integer or boolean array."""
        return replace(self, images=self.images[index], labels=self.labels[index])
