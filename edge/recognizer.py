"""Reads crops with a model: normalise, run, calibrate, reject. Knows nothing of frames or cameras."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgits.card import NONE_LABEL, REFUSALS, ModelCard, card_path, load_card
from edgits.dataset import DIGITS
from edgits.edge.apart import prove
from edgits.edge.results import Reading
from edgits.edge.runtimes import Floats, Runtime, model_kind, open_model
from edgits.errors import ModelError
from edgits.images import Image
from edgits.normalize import Normalization
from edgits.stats import softmax


class Recognizer:
    """A model that reads digits.

    Attributes:
        runtime: The loaded model.
        card: What the model is.
    """

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        size = card.normalization.size
        if runtime.input.shape != (size, size, 1):
            raise ModelError(
                f"model '{card.name}' takes input {runtime.input.shape}, but its normalisation makes "
                f"{(size, size, 1)}; give a model for grey {size}x{size} images"
            )
        if runtime.output.shape != (len(card.labels),):
            raise ModelError(
                f"model '{card.name}' has outputs {runtime.output.shape} for {len(card.labels)} labels; "
                "give a model with one score a class"
            )
        if missing := [digit for digit in DIGITS if digit not in card.labels]:
            raise ModelError(f"model '{card.name}' has no output for {', '.join(missing)}; give a digit model")
        self.runtime, self.card = runtime, card
        self._digits = [card.labels.index(digit) for digit in DIGITS]
        self._others = [card.labels.index(label) for label in REFUSALS if label in card.labels]

    @classmethod
    def load(
        cls, model: str | Path, *, runtime: str | None = None, threads: int = 1, trust: bool = False
    ) -> "Recognizer":
        """Loads a model and its card.

        Args:
            model: Path of a model file, or name of a shipped model.
            runtime: Name of the runtime; by default the first that works.
            threads: Number of threads for one inference.
            trust: Whether a file without a card may be loaded, after a child process has proven that it doesn't
                crash or hang the runtime. That it does no other harm isn't proven.

        Raises:
            ModelError: The file is damaged, isn't its card's, isn't a digit model, or has no card and no trust.
        """
        path = find_model(model)
        card = load_card(path)
        if card is None:
            if not trust:
                raise ModelError(
                    f"no card vouches for '{path}': there is no '{card_path(path).name}' beside it; copy its card, "
                    "too, or say that you trust the file with --trust"
                )
            if model_kind(path) != "keras":  # Keras reads data, not code, and takes seconds to load
                prove(path, runtime=runtime)
        loaded = open_model(path, runtime=runtime, threads=threads)
        return cls(loaded, card or describe(path, loaded))

    def probabilities(self, batch: Floats) -> Floats:
        """Runs normalised images.

        Args:
            batch: float32 (N, size, size, 1) in [0, 1], as `Normalization.batch` makes it.

        Returns:
            float32 (N, classes): calibrated probabilities, in the order of ``card.labels``.
        """
        scores = self.runtime.run(batch)
        return scores if self.card.scores == "probabilities" else softmax(scores / self.card.temperature)

    def read(
        self, crops: Sequence[Image], *, threshold: float | None = None, dark_ink: bool | None = None
    ) -> list[Reading]:
        """Reads crops of any size and polarity.

        Args:
            crops: uint8 (H, W) or (H, W, 3) each.
            threshold: Least confidence in [0, 1]; by default the card's.
            dark_ink: Whether their ink is darker than the paper, where that is known.
        """
        inputs = self.card.normalization.batch(crops, dark_ink=dark_ink)
        return self.readings(self.probabilities(inputs), threshold=threshold)

    def readings(self, probabilities: Floats, *, threshold: float | None = None) -> list[Reading]:
        """Turns probabilities, float32 (N, classes), into readings."""
        digits = probabilities[:, self._digits]
        others = probabilities[:, self._others]
        # what a model can't tell apart is parted rather than lost
        several = others[:, 1] if len(self._others) == len(REFUSALS) else np.full(len(digits), Reading.several)
        best = digits.argmax(axis=1)
        confidence = digits.max(axis=1) if len(digits) else np.zeros(0)
        return [
            self.judged(
                Reading(int(digit), float(value), any_digit=1 - float(other), several=float(more)), threshold=threshold
            )
            for digit, value, other, more in zip(best, confidence, others.sum(axis=1), several, strict=True)
        ]

    def judged(self, reading: Reading, *, threshold: float | None = None) -> Reading:
        """Says of a reading whether it is accepted: sure enough, and more likely than that there is no digit."""
        least = self.card.reject_threshold if threshold is None else threshold
        return replace(reading, accepted=least <= reading.confidence > 1 - reading.any_digit)


def shipped_models() -> dict[str, Path]:
    """Returns the models that come with edgits: name → file. The plain tier name is its int8 file."""
    folder = Path(__file__).parent / "models"
    files = sorted(path for path in folder.glob("*") if path.suffix in (".tflite", ".onnx"))
    named = {path.stem if path.suffix == ".tflite" else path.name: path for path in files}
    return named | {name.removesuffix("-int8"): path for name, path in named.items() if name.endswith("-int8")}


def find_model(model: str | Path) -> Path:
    """Finds a model by path or by shipped name.

    Raises:
        ModelError: There is neither a file nor a shipped model of that name.
    """
    path = Path(model)
    if path.is_file():
        return path
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    names = ", ".join(shipped) or "none"
    raise ModelError(f"there is no model '{model}': give a model file, or the name of a shipped one ({names})")


def describe(path: Path, runtime: Runtime) -> ModelCard:
    """Makes a card for somebody else's model of which only the tensors are known.

    It is taken to read MNIST-like input; whether it answers logits or probabilities is
    seen from its answers to an empty and a full image.
    """
    if len(runtime.input.shape) != 3 or runtime.input.shape[0] != runtime.input.shape[1]:
        raise ModelError(f"'{path}' takes input {runtime.input.shape}; a square image (size, size, 1) is needed")
    if len(runtime.output.shape) != 1 or runtime.output.shape[0] < len(DIGITS):
        raise ModelError(f"'{path}' has outputs {runtime.output.shape}; one score for each of ten digits is needed")
    answers = runtime.run(
        np.stack([np.zeros(runtime.input.shape, np.float32), np.ones(runtime.input.shape, np.float32)])
    )
    sums_to_one = bool(np.all(answers >= 0) and np.allclose(answers.sum(axis=1), 1, atol=0.05))
    extra = tuple(f"class {i}" for i in range(len(DIGITS), runtime.output.shape[0]))
    return ModelCard(
        name=path.stem,
        format=path.suffix.lstrip("."),
        labels=DIGITS + ((NONE_LABEL,) if len(extra) == 1 else extra),
        input=runtime.input,
        output=runtime.output,
        scores="probabilities" if sums_to_one else "logits",
        normalization=Normalization(size=runtime.input.shape[0]),
    )
