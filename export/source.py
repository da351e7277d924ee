"""What is to be exported: a Keras model, its card, and real images to calibrate and to check with.

It reads run folders, `.keras` files and SavedModels; it doesn't convert.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.card import NONE_LABEL, ModelCard, TensorSpec, load_card
from edgits.dataset import DIGITS
from edgits.edge.runtimes import KerasRuntime, Runtime, model_kind, open_model
from edgits.errors import DataError, MissingExtraError, ModelError, require
from edgits.export.feed import Feed, Samples, load_samples
from edgits.export.quiet import quiet
from edgits.normalize import Normalization

MODEL = "model.keras"
CALIBRATION_IMAGES = 500
CHECK_IMAGES = 2000
SEED = 1
# Where a card's training says what a model's input was before `open_source` put [0, 1] in its place.
RANGE_KEY = "original_input_range"


@dataclass(frozen=True)
class Source:
    """A model with all that its export needs.

    Attributes:
        path: The `.keras` file, or the folder of a SavedModel.
        card: Its card.
        runtime: The loaded model; ``runtime.model`` is Keras's own. It takes values in [0, 1].
        calibration: Raw images that set the ranges of quantized formats.
        test: Raw images that converted models are compared on; none of them was trained on.
    """

    path: Path
    card: ModelCard
    runtime: KerasRuntime
    calibration: Samples
    test: Samples

    @property
    def feed(self) -> Feed:
        """How raw images become its input."""
        return Feed.of(self.card)

    def calibration_record(self) -> dict[str, Any]:
        """Returns what a card says of the calibration: count, seed, SHA-256 of the raw images."""
        digest = hashlib.sha256(self.calibration.images.tobytes()).hexdigest()
        return {"count": len(self.calibration), "seed": SEED, "sha256": digest}


class _SavedModelRuntime(KerasRuntime):
    """A SavedModel, as a Keras model of one layer."""

    def __init__(self, path: Path) -> None:
        keras = require("keras", extra="train")
        tf = require("tensorflow", extra="train")
        self.version = str(keras.__version__)
        try:
            signature = tf.saved_model.load(str(path)).signatures["serving_default"]
            (spec,) = signature.structured_input_signature[1].values()
            layer = keras.layers.TFSMLayer(str(path), call_endpoint="serving_default")
            image = keras.Input(spec.shape[1:], dtype="float32")
            (scores,) = layer(image).values()
        except (OSError, KeyError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"'{path}' can't be loaded as a SavedModel: {reason}; it needs the signature serving_default "
                "with one input and one output"
            ) from error
        self.model = keras.Model(image, scores)
        _take_specs(self, path)


def find_model(source: Path) -> Path:
    """Finds the Keras model of a run folder, or takes the file or the SavedModel itself.

    Raises:
        ModelError: There is none.
    """
    if (source / "saved_model.pb").is_file():
        return source
    path = source / MODEL if source.is_dir() else source
    if not path.is_file():
        found = "a folder without model.keras" if source.is_dir() else "no such file or folder"
        raise ModelError(
            f"'{source}' can't be exported: {found}; give a run folder of edgits train, a .keras file or a SavedModel"
        )
    if model_kind(path) != "keras":
        raise ModelError(f"'{path}' is already exported; give the run folder or the .keras file that it came from")
    return path


def load_source(
    source: Path,
    *,
    data: str | None = None,
    input_range: tuple[float, float] = (0, 1),
    normalization: str | None = None,
) -> Source:
    """Loads a run folder, or a model with images of its own.

    Args:
        source: Run folder of `edgits train`, a `.keras` file, or the folder of a SavedModel.
        data: Images to calibrate and check with, as `load_samples` reads them; by default
            the run folder's own.
        input_range: What a model without a card takes black and white as. The exported
            files take [0, 1].
        normalization: Method of a model without a card; by default ``"ink"`` where it looks like a digit
            model, else ``"resize"``.

    Raises:
        ModelError: There is no Keras model, it is damaged, or it doesn't fit its card.
        DataError: There are no images, or too few.
    """
    path = find_model(source)
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        found = os.environ["KERAS_BACKEND"]
        raise MissingExtraError(f"the converters need Keras on TensorFlow, KERAS_BACKEND is '{found}': unset it")
    card = load_card(path) if path.is_file() else None
    with quiet():
        runtime = _open(path)
        if card is None:
            card = describe(path, runtime, input_range, normalization)
    if runtime.input.shape != card.input.shape or runtime.output.shape != (len(card.labels),):
        raise ModelError(
            f"'{path}' takes {runtime.input.shape} and answers {runtime.output.shape}, its card says "
            f"{card.input.shape} and {(len(card.labels),)}; train it again"
        )
    calibration, test = _images(path.parent, data, card)
    return Source(path, card, runtime, calibration, test)


def _open(path: Path) -> KerasRuntime:
    if path.is_dir():
        return _SavedModelRuntime(path)
    try:
        runtime = open_model(path, runtime="keras")
    except (TypeError, IndexError) as error:
        raise ModelError(
            f"'{path}' has several inputs or outputs, or sides of any length; one image is needed"
        ) from error
    assert isinstance(runtime, KerasRuntime)
    return runtime


def _take_specs(runtime: KerasRuntime, path: Path) -> None:
    shapes = runtime.model.input_shape[1:], runtime.model.output_shape[1:]
    if None in (*shapes[0], *shapes[1]):
        raise ModelError(f"'{path}' takes {shapes[0]} and answers {shapes[1]}; only the batch may be open")
    runtime.input, runtime.output = (TensorSpec(tuple(map(int, shape))) for shape in shapes)


def describe(
    path: Path, runtime: Runtime, input_range: tuple[float, float] = (0, 1), normalization: str | None = None
) -> ModelCard:
    """Makes a card for a model of which only the tensors are known; one that doesn't take [0, 1] is made to.

    Whether it answers logits or probabilities is seen from its answers to an empty and a full image.

    Args:
        path: Its file or folder.
        runtime: The loaded model.
        input_range: What it takes black and white as.
        normalization: See `load_source`.

    Raises:
        ModelError: It isn't a classifier of grey or colour images.
    """
    shape, classes = runtime.input.shape, runtime.output.shape
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ModelError(f"'{path}' takes input {shape}; an image (height, width, 1 or 3) is needed")
    if len(classes) != 1 or classes[0] < 2:
        raise ModelError(f"'{path}' has outputs {classes}; one score for each of two classes or more is needed")
    if isinstance(runtime, KerasRuntime) and input_range != (0, 1):
        _take_0_to_1(runtime, input_range)
    answers = runtime.run(np.stack([np.full(shape, value, np.float32) for value in (0, 1)]))
    sums_to_one = bool(np.all(answers >= 0) and np.allclose(answers.sum(axis=1), 1, atol=0.05))
    digits = {len(DIGITS): DIGITS, len(DIGITS) + 1: (*DIGITS, NONE_LABEL)}
    labels = digits.get(classes[0]) or tuple(f"class {i}" for i in range(classes[0]))
    plain = shape[0] != shape[1] or shape[2] != 1 or classes[0] not in digits
    method = normalization or ("resize" if plain else "ink")
    return ModelCard(
        name=path.stem,
        format=path.suffix.lstrip(".") or "saved-model",
        labels=labels,
        input=runtime.input,
        output=runtime.output,
        scores="probabilities" if sums_to_one else "logits",
        normalization=Normalization("ink" if method == "ink" else "resize", size=min(512, max(8, *shape[:2]))),
        parameters=int(runtime.model.count_params()) if isinstance(runtime, KerasRuntime) else 0,
        training={} if input_range == (0, 1) else {RANGE_KEY: list(input_range)},
    )


def _take_0_to_1(runtime: KerasRuntime, input_range: tuple[float, float]) -> None:
    keras = require("keras", extra="train")
    low, high = input_range
    image = keras.Input(runtime.input.shape)
    runtime.model = keras.Model(image, runtime.model(keras.layers.Rescaling(high - low, low)(image)))


def _images(folder: Path, data: str | None, card: ModelCard) -> tuple[Samples, Samples]:
    channels = card.input.shape[2]
    if data is not None:
        images = load_samples(data, card.labels, channels)
        chosen = pick(images.labels, min(CALIBRATION_IMAGES, len(images) // 2))
        rest = np.setdiff1d(np.arange(len(images)), chosen)
        calibration, test = images.take(chosen), images.take(rest)
    else:
        paths = [folder / name for name in ("calibration.npz", "test.npz")]
        if missing := [path for path in paths if not path.is_file()]:
            raise DataError(f"'{missing[0]}' is missing; train again, or give images with --data")
        calibration, test = (load_samples(str(path), card.labels, channels) for path in paths)
    if len(calibration) == 0 or len(test) == 0:
        raise DataError(f"too few images: {len(calibration)} to calibrate, {len(test)} to check; give more with --data")
    calibration = calibration.take(pick(calibration.labels, CALIBRATION_IMAGES))
    return calibration, test.take(pick(test.labels, CHECK_IMAGES))


def pick(labels: npt.NDArray[np.int64], count: int, *, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Picks images so that each class keeps its share, for a seed always the same ones.

    Args:
        labels: int64 (N,).
        count: How many; all where there are no more.
        seed: Which of many choices.

    Returns:
        Sorted indices, int64 (min(count, N),).
    """
    if len(labels) <= count:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Evenly spaced places in the images sorted by class give every class its share.
    places = (np.arange(count) + 0.5) * len(labels) / count
    return np.sort(by_class[places.astype(np.int64)])
