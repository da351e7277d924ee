"""Runs anybody's `.tflite` or `.onnx` of digits, of which no card says how it wants its images.

What can be seen is the input's shape and type and which output has a score a class. What can't, whether
ink is white or black and what number full ink is, is found by trying on a few labelled images.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgits.card import ModelCard, TensorSpec, load_card
from edgits.dataset import DIGITS, Dataset
from edgits.edge.recognizer import describe
from edgits.edge.runtimes import Floats, OnnxRuntime, Runtime, open_model, open_session
from edgits.errors import ModelError
from edgits.normalize import Normalization
from edgits.quiet import quiet

_NUMBERS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
}
_CHANNELS = (1, 3)


Method = Literal["resize", "ink"]
_METHODS: tuple[Method, ...] = ("resize", "ink")


@dataclass(frozen=True)
class Convention:
    """How a model wants its images.

    Attributes:
        method: The normalisation's, ``"resize"`` or ``"ink"``.
        span: What no ink and full ink are.
        inverted: Whether the other way round.
    """

    method: Method = "resize"
    span: tuple[float, float] = (0.0, 1.0)
    inverted: bool = False

    def apply(self, images: Floats) -> Floats:
        """Turns images in [0, 1] into what the model wants."""
        low, high = self.span[::-1] if self.inverted else self.span
        return np.asarray(low + (high - low) * images, np.float32)

    def text(self) -> str:
        """Says it in a few words."""
        low, high = self.span
        return f"pixels {low:g} to {high:g}{', inverted' if self.inverted else ''}, normalised by {self.method}"


CONVENTIONS = tuple(
    Convention(method, span, inverted)
    for inverted in (False, True)
    for method in _METHODS
    for span in ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
)


class Adapted:
    """A model of any input layout behind `Runtime`'s protocol: it takes (N, size, size, 1) in [0, 1].

    Args:
        inner: The loaded model; its input may be flat, channels first or last, grey or coloured.
        path: For messages.
    """

    def __init__(self, inner: Runtime, path: Path) -> None:
        self.inner, self.name, self.version = inner, inner.name, inner.version
        self.convention = Convention()
        self._shape = inner.input.shape
        side = _side(self._shape)
        if side is None:
            raise ModelError(f"'{path}' takes input {self._shape}; square images, grey or coloured, are needed")
        self.input = TensorSpec((side, side, 1))
        self.output = TensorSpec((int(np.prod(inner.output.shape)),))
        if self.output.shape[0] < len(DIGITS):
            raise ModelError(f"'{path}' has outputs {inner.output.shape}; one score for each of ten digits is needed")

    def run(self, batch: Floats) -> Floats:
        """See `Runtime.run`."""
        return self.inner.run(self.arrange(batch)).reshape(len(batch), -1)

    def arrange(self, batch: Floats) -> Floats:
        """Brings images, (N, size, size, 1) in [0, 1], into the model's layout and numbers."""
        images = self.convention.apply(batch)
        if len(self._shape) == 3 and self._shape[0] in _CHANNELS:
            images = np.repeat(np.moveaxis(images, -1, 1), self._shape[0], axis=1)
        elif len(self._shape) == 3:
            images = np.repeat(images, self._shape[-1], axis=-1)
        return np.ascontiguousarray(images.reshape(len(batch), *self._shape))


def _side(shape: tuple[int, ...]) -> int | None:
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        return side if side * side == shape[0] else None
    sides = {2: shape, 3: shape[1:] if shape[:1] and shape[0] in _CHANNELS else shape[:2]}.get(len(shape), ())
    coloured = len(shape) == 3 and shape[0] not in _CHANNELS and shape[2] not in _CHANNELS
    return sides[0] if len(sides) == 2 and sides[0] == sides[1] and not coloured else None


class AnyOnnx:
    """An `.onnx` file of one input and any outputs, in ONNX Runtime; classifiers of scikit-learn are so.

    Its scores are the output that has a number for each of ten classes or more.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session, self.version = open_session(path, threads=threads)
        entry, *more = self._session.get_inputs()
        if more or entry.type not in _NUMBERS or not all(isinstance(side, int) for side in entry.shape[1:]):
            found = ", ".join(f"{value.type} {value.shape}" for value in (entry, *more))
            raise ModelError(f"'{path}' takes {found}; one image of a fixed size is needed")
        self._in, self._type = entry.name, _NUMBERS[entry.type]
        self._single = entry.shape[0] == 1
        self.input = TensorSpec(tuple(entry.shape[1:]))
        self._out, self.output = self._find_scores(path)

    def run(self, batch: Floats) -> Floats:
        """See `Runtime.run`."""
        if self._single and len(batch) != 1:
            parts = [self.run(batch[i : i + 1]) for i in range(len(batch))]
            return np.concatenate(parts) if parts else np.zeros((0, *self.output.shape), np.float32)
        return _numbers(self._session.run([self._out], {self._in: batch.astype(self._type)})[0])

    def _find_scores(self, path: Path) -> tuple[str, TensorSpec]:
        probe = np.zeros((1, *self.input.shape), self._type)
        outputs = [value.name for value in self._session.get_outputs()]
        for name, value in zip(outputs, self._session.run(outputs, {self._in: probe}), strict=True):
            scores = _numbers(value)
            if scores.ndim > 1 and len(scores) == 1 and scores.size >= len(DIGITS):
                return name, TensorSpec(scores.shape[1:])
        raise ModelError(f"'{path}' has outputs {', '.join(outputs)}; one score for each of ten digits is needed")


def _numbers(value: Any) -> Floats:
    """Makes scores of an output; a classifier of scikit-learn gives a mapping, class to score, for each image."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = [[scores[label] for label in sorted(scores)] for scores in value]
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError):  # texts, ragged sequences
        return np.zeros(0, np.float32)


def open_any(path: Path, *, runtime: str, threads: int) -> tuple[Runtime, ModelCard | None]:
    """Loads a model file, and its card where it has one.

    Raises:
        ModelError: The file is no model, isn't its card's, or takes or gives something else than a digit model.
        MissingExtraError: The runtime isn't installed or doesn't work.
    """
    card = load_card(path)
    if card is not None or runtime == "keras":
        return open_model(path, runtime=runtime, threads=threads), card
    if runtime == OnnxRuntime.name:
        with quiet():
            return Adapted(AnyOnnx(path, threads=threads), path), None
    return Adapted(open_model(path, runtime=runtime, threads=threads), path), None


def describe_any(path: Path, runtime: Runtime, images: Dataset) -> ModelCard:
    """Makes a card for a model without one, and finds its convention by trying.

    Args:
        path: The file.
        runtime: The loaded model; its convention is set.
        images: A few labelled images.
    """
    if not isinstance(runtime, Adapted):
        return describe(path, runtime)
    best = -1.0
    size = runtime.input.shape[0]
    batches = {method: Normalization(method, size).batch(images.images) for method in _METHODS}
    chosen = runtime.convention
    for convention in CONVENTIONS:
        runtime.convention = convention
        digits = runtime.run(batches[convention.method])[:, : len(DIGITS)].argmax(axis=1)
        right = float(np.mean(digits == images.labels))
        # only what is clearly better: the simplest convention is the likeliest
        if right > best + 0.02:
            best, chosen = right, convention
    runtime.convention = chosen
    return replace(describe(path, runtime), normalization=Normalization(chosen.method, size))
