"""What a model file is tried on: labelled images, and what the reference reads in them.

It runs files, each in a process of its own; what is wrong with them it doesn't name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgits.card import ModelCard, load_card
from edgits.edge.apart import run_apart
from edgits.edge.runtimes import Floats, open_model, runtimes_for
from edgits.errors import MissingExtraError, ModelError
from edgits.export.check import Check, Reference, compare, read_digits, read_scores
from edgits.export.faults import Evidence
from edgits.export.feed import Feed, Samples
from edgits.export.metadata import read_embedded_card
from edgits.export.outcome import Outcome, measure
from edgits.export.quiet import quiet
from edgits.export.recipes import Recipe
from edgits.export.source import RANGE_KEY, describe, pick

_PROBED = 300
_INPUTS: dict[str, Callable[[Floats], Floats]] = {
    "inverted": lambda images: 1 - images,
    "times 255": lambda images: images * 255,
    "divided by 255": lambda images: images * np.float32(1 / 255),
}
Run = Callable[[list[Floats]], tuple[str, list[Floats]]]


@dataclass(frozen=True)
class Trial:
    """What a file must do.

    Attributes:
        data: The raw images.
        card: The reference's.
        reference: How it reads them.
        path: The reference's file.
    """

    data: Samples
    card: ModelCard
    reference: Reference
    path: Path

    def some(self, count: int) -> "Trial":
        """Returns the trial on `count` of the images, a share of each class."""
        chosen = pick(self.data.labels, count)
        return replace(self, data=self.data.take(chosen), reference=self.reference.take(chosen))

    def inputs(self, card: ModelCard | None) -> Floats:
        """Returns the images as a file with that card takes them."""
        feed = Feed.of(card or self.card)
        same = feed == Feed.of(self.card)
        return self.reference.images if same else feed.batch(self.data.images)

    def check(self, run: Run, runtime: str, recipe: Recipe, card: ModelCard | None) -> Check:
        """Runs a file and compares its answers.

        Args:
            run: Runs batches on the file; returns the runtime's version and the scores.
            runtime: Its name.
            recipe: Says what may differ.
            card: The file's, where it has one.
        """
        version, parts = run(_batches(self.inputs(card)))
        return self._compared(np.concatenate(parts), runtime, version, recipe, card)[0]

    def examine(self, run: Run, runtime: str, recipe: Recipe, card: ModelCard | None) -> tuple[Outcome, Evidence]:
        """Runs a file on inputs as they should be, and as other models want them. For the arguments see `check`."""
        labels, inputs = self.data.labels, self.inputs(card)
        chosen = pick(labels, _PROBED)
        plain = _batches(inputs)
        version, parts = run([*plain, *(change(inputs[chosen]) for change in _INPUTS.values())])
        scores = np.concatenate(parts[: len(plain)])
        check, card = self._compared(scores, runtime, version, recipe, card)
        probes = zip(("as they are", *_INPUTS), (scores[chosen], *parts[len(plain) :]), strict=True)
        probed = {name: float(np.mean(read_digits(answers, card) == labels[chosen])) for name, answers in probes}
        outcome = measure(check, scores, card, self.reference, self.data)
        return outcome, Evidence(check, scores, read_digits(scores, card), labels, probed)

    def _compared(
        self, scores: Floats, runtime: str, version: str, recipe: Recipe, card: ModelCard | None
    ) -> tuple[Check, ModelCard]:
        expected = self.reference.answers.probabilities
        if scores.shape != expected.shape:
            raise ModelError(f"it answers {scores.shape}, the reference {expected.shape}; it is another model's file")
        card = card or _like(self.card, scores)
        return compare(runtime, version, scores, recipe, card, self.reference), card


def _batches(inputs: Floats) -> list[Floats]:
    """Splits images into one, a few, and the rest: an open batch must survive the changes."""
    return [part for part in np.split(inputs, [1, min(8, len(inputs))]) if len(part)]


def make_trial(path: Path, load: Callable[[ModelCard], Samples], like: ModelCard | None) -> Trial:
    """Runs the reference on the images.

    Args:
        path: Its file.
        load: Loads images for a model of that card.
        like: The card of the file to be tried, where it has one. A reference without a card gets its images
            likewise, in the range that it took when the file was made of it.

    Raises:
        ModelError: It is damaged, or answers nonsense.
        MissingExtraError: No runtime for it is installed.
    """
    card = load_card(path) or embedded_card(path)
    low, high = (0.0, 1.0)
    if card is None:
        with quiet():
            runtime = open_model(path)
            card = describe(path, runtime)
        if like is not None and like.input.shape == card.input.shape:
            card = replace(card, normalization=like.normalization)
            low, high = like.training.get(RANGE_KEY, (low, high))
    usable = runtimes_for(path)
    if not usable:
        raise MissingExtraError(f"no runtime for the reference '{path}' is installed: pip install 'edgits[train]'")
    data = load(card)
    images = Feed.of(card).batch(data.images)
    scores = run_apart(path, usable[0], [images if (low, high) == (0, 1) else low + images * (high - low)])[1][0]
    if not np.isfinite(scores).all():
        raise ModelError(f"the reference '{path}' itself answers NaN or infinity; name another with --against")
    name = "Keras" if usable[0] == "keras" else path.name
    return Trial(data, card, Reference(images, data.labels, read_scores(scores, card), name), path)


def embedded_card(path: Path) -> ModelCard | None:
    """Reads the card inside a file; None where there is none, or what there is can't be read."""
    if path.suffix == ".keras":
        return None
    try:
        with quiet():
            return read_embedded_card(path)
    except Exception:  # a damaged file fails anywhere in generated code
        return None


def _like(card: ModelCard, scores: Floats) -> ModelCard:
    """Makes a card for a file without one: the reference's, but for what its answers show to be otherwise."""
    sums_to_one = bool(np.all(scores >= 0) and np.allclose(scores.sum(axis=1), 1, atol=0.05))
    return replace(card, scores="probabilities" if sums_to_one else "logits")
