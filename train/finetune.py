"""Trains a finished model on somebody's own digits without losing the rest. Knows no command line.

Forgetting is held off by rehearsal: the embedded digits are shown beside the own ones, and on
them the model has to go on answering as it did before (Z. Li and D. Hoiem, "Learning without
forgetting", 2016).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgits import files
from edgits.card import NONE_LABEL, ModelCard, load_card
from edgits.dataset import Dataset
from edgits.errors import ModelError
from edgits.stats import wilson
from edgits.train.data import load_dataset, stratified_split
from edgits.train.fit import Run, fit_run
from edgits.train.mixture import Part
from edgits.train.models import TIERS
from edgits.train.recipes import Recipe
from edgits.train.teacher import load_keras

REHEARSAL = "mnist5k"
# An epoch shows half as many own images as rehearsed ones, but none more often than this.
_OWN_SHARE, _MOST_OFTEN = 0.5, 20.0
_HELD_BACK = 0.3
_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Comparison:
    """Accuracy on one kind of digits before and after, on images not trained on here.

    Attributes:
        name: Which digits.
        n: How many images.
        before: Right answers before.
        after: Right answers after.
    """

    name: str
    n: int
    before: int
    after: int

    def to_json(self) -> dict[str, Any]:
        """Returns the counts, and accuracies with their 95 % intervals, as JSON values."""
        ranges = {f"{when}_ci95": list(wilson(getattr(self, when), self.n)) for when in ("before", "after")}
        return asdict(self) | ranges


def find_start(model: str) -> tuple[Path, ModelCard]:
    """Finds the weights to start from.

    Args:
        model: The name of a shipped model, a run folder, or a `.keras` file with its card.

    Returns:
        The `.keras` file and its card.

    Raises:
        ModelError: There is none, or it isn't one of edgits' tiers.
    """
    given = Path(model)
    path = given / "model.keras" if given.is_dir() else given if given.is_file() else _WEIGHTS / f"{model}.keras"
    if not path.is_file() or path.suffix != ".keras":
        names = ", ".join(sorted(found.stem for found in _WEIGHTS.glob("*.keras"))) or "none"
        raise ModelError(
            f"there is nothing to train further in '{model}': give a run folder, a .keras file with its card, "
            f"or the name of a shipped model ({names})"
        )
    card = load_card(path)
    if card is None or card.name not in TIERS:
        found = f"a model '{card.name}'" if card else "no card"
        raise ModelError(f"'{path}' has {found}; only {', '.join(TIERS)} made by edgits can be trained further")
    return path, card


def recipe_for(card: ModelCard, *, epochs: int | None) -> Recipe:
    """Returns how to train a model further: gently, and on the rehearsed digits by its own answers alone."""
    return Recipe(
        "finetune",
        card.name,
        "a finished model on own digits",
        normalization=card.normalization,
        epochs=epochs or 8,
        batch_size=64,
        learning_rate=5e-4,
        label_smoothing=0.02,
        reject=NONE_LABEL in card.labels,
        distillation=1.0,
    )


def finetune(
    own: Sequence[Part], start: Path, recipe: Recipe, out: Path, *, seed: int, test: Dataset | None = None, **told: Any
) -> tuple[Run, list[Comparison]]:
    """Trains a model further and compares it with what it was.

    Args:
        own: One's own digits; of the first part 30 % are held back where `test` is None.
        start: The `.keras` file to start from.
        recipe: As `recipe_for` makes it.
        out: The run folder.
        seed: Source of all randomness.
        test: Own digits to compare on.
        told: More of `edgits.train.fit.fit_run`: ``command``, ``resume``, ``on_batch``, ``on_epoch``.

    Returns:
        The run, and the comparisons on one's own and on the rehearsed kind of digits.
    """
    parts = list(own)
    if test is None:
        kept, held = stratified_split(parts[0].data.labels, _HELD_BACK, seed)
        test = parts[0].data.take(held)
        parts[0] = replace(parts[0], data=parts[0].data.take(kept))
    rest = load_dataset(REHEARSAL)
    rehearsed, others = stratified_split(rest.labels, 0.1, seed)
    share = _OWN_SHARE * len(rehearsed) / sum(len(part.data) for part in parts)
    shown = [replace(part, weight=min(max(1.0, share), _MOST_OFTEN) * part.weight, taught=False) for part in parts]
    run = fit_run(
        [Part(rest.take(rehearsed)), *shown], recipe, out, seed=seed, test=test, start=start, teacher=start, **told
    )
    compared = [
        Comparison(name, len(data), _right(start, recipe, data), _right(out / "model.keras", recipe, data))
        for name, data in (("your digits", test), ("the digits known before", rest.take(others)))
    ]
    files.write_json(out / "figures.json", [comparison.to_json() for comparison in compared])
    return run, compared


def _right(path: Path, recipe: Recipe, data: Dataset) -> int:
    logits = load_keras(path).predict(recipe.normalization.batch(data.images), batch_size=256, verbose=0)
    best = np.asarray(logits)[:, : len(data.class_names)].argmax(axis=1)
    return int((best == data.labels).sum())
