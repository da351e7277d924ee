"""Compares a converted model with its Keras original on real images. Converts and writes nothing."""

import importlib.util
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.card import REFUSALS, ModelCard
from edgits.edge.apart import run_apart
from edgits.edge.runtimes import Floats, Runtime, open_model, runtimes_for
from edgits.errors import CheckError, MissingExtraError
from edgits.export.environments import run_bare
from edgits.export.recipes import Limits, Recipe
from edgits.export.source import pick
from edgits.stats import count_labels, softmax

# These crash in a process that has TensorFlow loaded.
_APART = frozenset({"tflite-runtime"})
MICRO = "tflite-micro"
MICRO_IMAGES = 200  # it takes 8 ms for one, of which the others take some hundred microseconds


@dataclass(frozen=True)
class Reference:
    """What the Keras model answers.

    Attributes:
        images: float32 (N, size, size, 1), normalised.
        labels: int64 (N,).
        answers: What it reads in them.
        name: What messages call it.
    """

    images: Floats
    labels: npt.NDArray[np.int64]
    answers: "Answers"
    name: str = "Keras"

    @property
    def accuracy(self) -> float:
        """Share of images that Keras reads right."""
        return float(np.mean(self.answers.digits == self.labels))

    def take(self, index: npt.NDArray[np.int64]) -> "Reference":
        """Returns the images and answers at `index`."""
        answers = self.answers
        some = Answers(answers.probabilities[index], answers.digits[index], answers.rejected[index])
        return Reference(self.images[index], self.labels[index], some, self.name)


@dataclass(frozen=True)
class Answers:
    """What a model says of images.

    Attributes:
        probabilities: float32 (N, classes), calibrated.
        digits: int64 (N,), the most likely class but ``"none"`` and ``"several"``.
        rejected: bool (N,), whether these together are likelier; all False in a model without them.
    """

    probabilities: Floats
    digits: npt.NDArray[np.int64]
    rejected: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Check:
    """How one runtime's answers compare with Keras's.

    Attributes:
        runtime: Name of the runtime.
        version: Its version.
        images: How many images were compared.
        difference: Largest difference of any probability; NaN where answers weren't finite.
        flips: Images in which another digit is read; ``"none"`` isn't asked.
        rejections: Images that only one of the two models takes for no digit.
        accuracy: Share read right by this file.
        reference_accuracy: Share read right by Keras.
        problem: What is wrong; empty where the check passed.
    """

    runtime: str
    version: str
    images: int
    difference: float
    flips: int
    rejections: int
    accuracy: float
    reference_accuracy: float
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values: NaN becomes null."""
        value = asdict(self)
        return value | {"difference": None if np.isnan(self.difference) else self.difference}


def make_reference(runtime: Runtime, card: ModelCard, images: Floats, labels: npt.NDArray[np.int64]) -> Reference:
    """Runs the Keras model on the images, and checks that it is worth converting.

    Raises:
        CheckError: Its answers aren't finite, or no better than always naming the commonest class.
    """
    scores = runtime.run(images)
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(axis=1).sum())
        raise CheckError(
            f"the Keras model '{card.name}' itself answers NaN or infinity on {bad} of {len(images)} images; "
            "train it again, with a smaller learning rate"
        )
    reference = Reference(images, labels, read_scores(scores, card))
    commonest = float(count_labels(labels).max() / len(labels))
    if len(np.unique(labels)) > 1 and reference.accuracy <= commonest:
        raise CheckError(
            f"the Keras model '{card.name}' itself reads {reference.accuracy:.1%} of {len(labels)} images right, "
            f"no more than always naming the commonest digit ({commonest:.1%}); train it again"
        )
    return reference


def read_scores(scores: Floats, card: ModelCard) -> Answers:
    """Turns a model's scores, float32 (N, classes), into answers as its card says."""
    probabilities = scores if card.scores == "probabilities" else softmax(scores / card.temperature)
    others = [card.labels.index(label) for label in REFUSALS if label in card.labels]
    digits = probabilities.copy()
    digits[:, others] = -1
    refused = probabilities[:, others].sum(axis=1) >= digits.max(axis=1)
    return Answers(probabilities, digits.argmax(axis=1), refused)


def read_digits(scores: Floats, card: ModelCard) -> npt.NDArray[np.int64]:
    """Returns the digits that scores mean, int64 (N,), finite or not."""
    return read_scores(np.nan_to_num(scores, posinf=0, neginf=0), card).digits


def check_file(path: Path, recipe: Recipe, card: ModelCard, reference: Reference) -> tuple[list[Check], list[str]]:
    """Runs a file on every installed runtime that can run it.

    Args:
        path: The converted file.
        recipe: Says what may differ.
        card: The Keras model's card.
        reference: Keras's answers.

    Returns:
        A check for each runtime, and why installed runtimes were left out.

    Raises:
        CheckError: No runtime could run the file, or one crashed.
        ModelError: A runtime refuses the file.
    """
    checks, left_out = [], []
    for name in runtimes_of(path, recipe):
        asked = reference.take(pick(reference.labels, MICRO_IMAGES)) if name == MICRO else reference
        # One image, a few, then the rest: an open batch must survive the changes.
        batches = np.split(asked.images, [1, min(8, len(asked.images))])
        try:
            version, parts = _answers(path, name, batches)
        except MissingExtraError as error:
            left_out.append(f"{name}: {error}")
            continue
        checks.append(compare(name, version, np.concatenate(parts), recipe, card, asked))
    if not checks:
        raise CheckError(f"{recipe.name}: no runtime can check it ({'; '.join(left_out) or 'none is installed'})")
    return checks, left_out


def runtimes_of(path: Path, recipe: Recipe) -> list[str]:
    """Names the installed runtimes that must run a recipe's file."""
    micro = recipe.micro and importlib.util.find_spec("tflite_micro") is not None
    return [*runtimes_for(path), *([MICRO] if micro else [])]


def _answers(path: Path, name: str, batches: list[Floats]) -> tuple[str, list[Floats]]:
    if name == MICRO:
        return run_bare(path, name, batches)
    if name in _APART:
        return run_apart(path, name, batches)
    loaded = open_model(path, runtime=name)
    return loaded.version, [loaded.run(batch) for batch in batches]


def compare(runtime: str, version: str, scores: Floats, recipe: Recipe, card: ModelCard, reference: Reference) -> Check:
    """Compares scores, float32 (N, classes), with Keras's probabilities under a recipe's limits."""
    count = len(reference.labels)
    finite = np.isfinite(scores).all(axis=1)
    found, expected = read_scores(np.nan_to_num(scores, posinf=0, neginf=0), card), reference.answers
    difference = np.abs(found.probabilities - expected.probabilities).max()
    check = Check(
        runtime,
        version,
        count,
        float(difference) if finite.all() else float("nan"),
        int(np.sum((found.digits != expected.digits) | ~finite)),
        int(np.sum((found.rejected != expected.rejected) | ~finite)),
        float(np.mean((found.digits == reference.labels) & finite)),
        reference.accuracy,
    )
    problem = _problem(check, recipe.limits, int((~finite).sum()), reference.name)
    if not problem:
        return check
    where = f"{recipe.name} on {runtime} {version}"
    return Check(**{**asdict(check), "problem": f"{where}: {problem}"})


def _problem(check: Check, limits: Limits, not_finite: int, against: str) -> str:
    """Says which figure is out of its limit, or nothing."""
    of = f"of {check.images}"
    flips = limits.allowed(limits.flips, check.images)
    lost = round((check.reference_accuracy - check.accuracy) * check.images)
    if not_finite:
        return f"answers NaN or infinity on {not_finite} {of} images"
    if check.flips > flips:
        return f"{check.flips} {of} answers differ from {against}, {flips} allowed"
    if check.rejections > flips:
        return f"{check.rejections} {of} images are rejected by one of it and {against} alone, {flips} allowed"
    if lost > limits.allowed(limits.drop, check.images):
        return f"accuracy fell from {check.reference_accuracy:.2%} to {check.accuracy:.2%}, {limits.drop:.1%} allowed"
    if check.difference > limits.difference:
        return f"a probability differs by {check.difference:.3g} from {against}, {limits.difference:g} allowed"
    return ""
