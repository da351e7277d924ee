"""Measures how models take spoilt digits, and whether one loses more by them than the reference.

The digits are spoilt by `edgits.benchmarks.corruptions`. Every digit is seen in all the ways, so the ways
aren't independent: intervals are over digits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.benchmarks.children import Child, Inputs
from edgits.benchmarks.corruptions import KINDS, PUBLISHED, SEVERITIES, SIDE, corrupt
from edgits.dataset import Dataset
from edgits.normalize import Normalization


@dataclass(frozen=True)
class Robustness:
    """How models read digits, clean and spoilt.

    Attributes:
        models: Names of the files; the first is the reference.
        clean: bool (models, N), whether a clean digit is read right.
        spoilt: bool (models, kinds, severities, N), whether a spoilt one is.
    """

    models: tuple[str, ...]
    clean: npt.NDArray[np.bool_]
    spoilt: npt.NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of digits."""
        return int(self.clean.shape[1])

    def errors(self) -> npt.NDArray[np.float64]:
        """Returns the share of spoilt digits read wrong: (models, kinds, severities)."""
        return np.asarray(1 - self.spoilt.mean(axis=3))

    def published(self) -> npt.NDArray[np.float64]:
        """Returns that share at the severity that MNIST-C has of each kind: (models, kinds)."""
        places = [SEVERITIES.index(PUBLISHED[kind]) for kind in KINDS]
        return np.asarray(self.errors()[:, range(len(KINDS)), places])

    def loss(self, model: int, severity: int = 0) -> tuple[float, float, float]:
        """Returns how many points more than the reference a model reads wrong, over all kinds.

        Args:
            model: Its index.
            severity: 1 to 5; 0 for clean digits.

        Returns:
            The mean and its 95 % interval, in percentage points.
        """
        right = self.spoilt[:, :, severity - 1].mean(axis=1) if severity else self.clean.astype(float)
        return _mean(right[0] - right[model])

    def extra_loss(self, model: int) -> tuple[float, float, float]:
        """Returns how many points a model loses more than the reference on spoilt digits than on clean ones.

        Returns:
            The mean over all kinds and severities, and its 95 % interval, in percentage points.
        """
        lost = self.spoilt[0].mean(axis=(0, 1)) - self.spoilt[model].mean(axis=(0, 1))
        return _mean(lost - (self.clean[0].astype(float) - self.clean[model]))

    def verdict(self, model: int) -> str:
        """Says in words whether a model loses more by spoilt digits than the reference."""
        value, low, high = self.extra_loss(model)
        told, other = f"{value:+.2f} points ({low:+.2f} to {high:+.2f})", self.models[0]
        if low > 0 or high < 0:
            return f"spoiling costs {'more' if low > 0 else 'less'} accuracy than it costs {other}: {told}"
        return f"spoiling isn't shown to cost more or less accuracy than it costs {other}: {told}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values: shares read wrong, by model and kind, a number a severity."""
        rows = []
        for place, model in enumerate(self.models):
            value, low, high = self.extra_loss(place)
            kinds = zip(KINDS, self.errors()[place].round(6).tolist(), strict=True)
            mean = round(float(self.published()[place].mean()), 6)
            about: dict[str, Any] = {"model": model, "clean": round(1 - float(self.clean[place].mean()), 6)}
            compared = {"extra_loss_pp": round(value, 4), "extra_loss_ci95": [round(low, 4), round(high, 4)]}
            rows.append(about | {"published": mean, "kinds": dict(kinds)} | (compared if place else {}))
        return {"n": self.n, "severities": list(SEVERITIES), "published": PUBLISHED, "errors": rows}


def _mean(losses: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Returns the mean of losses, a share a digit, and its 95 % interval, in percentage points."""
    value = 100 * float(losses.mean())
    half = 196 * float(losses.std(ddof=1)) / math.sqrt(len(losses)) if len(losses) > 1 else math.inf
    return value, value - half, value + half


def measure_robustness(
    children: Sequence[Child], names: Sequence[str], data: Dataset, folder: Path, on_step: Callable[[str], None]
) -> Robustness:
    """Lets each model read every digit spoilt in every way.

    Args:
        children: The loaded models.
        names: Their names.
        data: The digits, raw.
        folder: A place for files.
        on_step: Called with a few words before each kind.
    """
    images = as_ink(data.images)
    right = np.zeros((len(children), len(KINDS), len(SEVERITIES), len(data)), np.bool_)
    clean = _read(children, images, data.labels, folder)
    for number, kind in enumerate(KINDS):
        on_step(f"{len(data):,} digits with {kind}, {number + 1} of {len(KINDS)}")
        for place, severity in enumerate(SEVERITIES):
            right[:, number, place] = _read(children, corrupt(images, kind, severity), data.labels, folder)
    return Robustness(tuple(names), clean, right)


def _read(
    children: Sequence[Child], images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], folder: Path
) -> npt.NDArray[np.bool_]:
    inputs = Inputs(images, folder, "spoilt")
    found = [np.array(child.ask("read", inputs=inputs.file(child))["digits"]) == labels for child in children]
    inputs.remove()
    return np.stack(found)


def as_ink(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Makes digits what can be spoilt, white on black and 28x28; those that are so stay as they are."""
    small = images.shape[1:] == (SIDE, SIDE)
    if small and np.mean(np.median(images, axis=(1, 2)) < 64) > 0.5:
        return images
    normalization = Normalization("ink", SIDE)
    return np.stack([normalization.one(image) for image in images])
