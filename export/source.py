"""What is to be exported: a Keras model, its card, and real images to calibrate and to check with.

It reads run folders and `.keras` files; it doesn't convert.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.card import ModelCard, load_card
from edgits.dataset import Dataset
from edgits.edge.recognizer import describe
from edgits.edge.runtimes import KerasRuntime, model_kind, open_model
from edgits.errors import DataError, MissingExtraError, ModelError
from edgits.export.quiet import quiet
from edgits.train.data import load_dataset

MODEL = "model.keras"
CALIBRATION_IMAGES = 500
CHECK_IMAGES = 2000
SEED = 1


@dataclass(frozen=True)
class Source:
    """A model with all that its export needs.

    Attributes:
        path: The `.keras` file.
        card: Its card.
        runtime: The loaded model; ``runtime.model`` is Keras's own.
        calibration: Raw images that set the ranges of quantized formats.
        test: Raw images that converted models are compared on; none of them was trained on.
    """

    path: Path
    card: ModelCard
    runtime: KerasRuntime
    calibration: Dataset
    test: Dataset

    def calibration_record(self) -> dict[str, Any]:
        """Returns what a card says of the calibration: count, seed, SHA-256 of the raw images."""
        digest = hashlib.sha256(self.calibration.images.tobytes()).hexdigest()
        return {"count": len(self.calibration), "seed": SEED, "sha256": digest}


def find_model(source: Path) -> Path:
    """Finds the Keras model of a run folder, or takes the file itself.

    Raises:
        ModelError: There is none.
    """
    path = source / MODEL if source.is_dir() else source
    if not path.is_file():
        found = "a folder without model.keras" if source.is_dir() else "no such file or folder"
        raise ModelError(f"'{source}' can't be exported: {found}; give a run folder of edgits train, or a .keras file")
    if model_kind(path) != "keras":
        raise ModelError(f"'{path}' is already exported; give the run folder or the .keras file that it came from")
    return path


def load_source(source: Path, *, data: str | None = None) -> Source:
    """Loads a run folder, or a `.keras` file with images of its own.

    Args:
        source: Run folder of `edgits train`, or a `.keras` file.
        data: Images to calibrate and check with, as `load_dataset` reads them; by default
            the run folder's own.

    Raises:
        ModelError: There is no Keras model, it is damaged, or it doesn't fit its card.
        DataError: There are no images, or too few.
    """
    path = find_model(source)
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        found = os.environ["KERAS_BACKEND"]
        raise MissingExtraError(f"the converters need Keras on TensorFlow, KERAS_BACKEND is '{found}': unset it")
    card = load_card(path)
    calibration, test = _images(path.parent, data)
    with quiet():
        runtime = open_model(path, runtime="keras")
        assert isinstance(runtime, KerasRuntime)
        if card is None:
            card = replace(describe(path, runtime), parameters=int(runtime.model.count_params()))
    size = card.normalization.size
    if runtime.input.shape != (size, size, 1) or runtime.output.shape != (len(card.labels),):
        raise ModelError(
            f"'{path}' takes {runtime.input.shape} and answers {runtime.output.shape}, its card says "
            f"{(size, size, 1)} and {(len(card.labels),)}; train it again"
        )
    return Source(path, card, runtime, calibration, test)


def _images(folder: Path, data: str | None) -> tuple[Dataset, Dataset]:
    if data is not None:
        images = load_dataset(data)
        chosen = pick(images.labels, min(CALIBRATION_IMAGES, len(images) // 2))
        rest = np.setdiff1d(np.arange(len(images)), chosen)
        calibration, test = images.take(chosen), images.take(rest)
    else:
        calibration, test = (_read(folder / name) for name in ("calibration.npz", "test.npz"))
    if len(calibration) == 0 or len(test) == 0:
        raise DataError(f"too few images: {len(calibration)} to calibrate, {len(test)} to check; give more with --data")
    calibration = calibration.take(pick(calibration.labels, CALIBRATION_IMAGES))
    return calibration, test.take(pick(test.labels, CHECK_IMAGES))


def _read(path: Path) -> Dataset:
    if not path.is_file():
        raise DataError(f"'{path}' is missing; train again, or give images with --data")
    return load_dataset(str(path))


def pick(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Picks images so that each class keeps its share, always the same ones.

    Args:
        labels: int64 (N,).
        count: How many; all where there are no more.

    Returns:
        Sorted indices, int64 (min(count, N),).
    """
    if len(labels) <= count:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced places in the images sorted by class give every class its share.
    places = (np.arange(count) + 0.5) * len(labels) / count
    return np.sort(by_class[places.astype(np.int64)])
