"""Trains a finished model on somebody's own digits without losing the rest. Knows no command line.

Forgetting is held off by rehearsal: the embedded digits are shown beside the own ones, and on
them the model has to go on answering as it did before (Z. Li and D. Hoiem, "Learning without
forgetting", 2016).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.card import NONE_LABEL, ModelCard, load_card
from edgits.dataset import Dataset
from edgits.errors import ModelError, require
from edgits.stats import paired_difference, wilson
from edgits.train.data import load_dataset, stratified_split
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.models import MODELS
from edgits.train.recipes import Recipe
from edgits.train.runfolder import Run
from edgits.train.teacher import load_keras

REHEARSAL = "mnist5k"
# Half of the embedded digits are rehearsed, on the other half the model is compared with what it was.
_COMPARED = 0.5
# An epoch shows so many own images for one rehearsed, but none more often than this. Of 205 digits written lying down
# `small` reads 74 of 90 others afterwards, and 11 fewer of 2,500 known before; with 0.5 it is 78 and 16 fewer.
_OWN_SHARE, _MOST_OFTEN = 0.35, 20.0
_HELD_BACK = 0.3
_BATCH = 256
_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Comparison:
    """Right answers on one kind of digits before and after, on images not trained on here.

    Attributes:
        name: Which digits.
        n: How many images.
        before: Right answers before.
        after: Right answers after.
        gained: Images that only the model after has right.
        lost: Images that only the model before had right.
    """

    name: str
    n: int
    before: int
    after: int
    gained: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        """Returns the counts, and 95 % intervals of the accuracies and of their difference, as JSON values."""
        ranges = {f"{when}_ci95": list(wilson(getattr(self, when), self.n)) for when in ("before", "after")}
        return asdict(self) | ranges | {"change_ci95": list(paired_difference(self.gained, self.lost, self.n))}


def find_start(model: str) -> tuple[Path, ModelCard]:
    """Finds a trained model to go on from, or to learn from.

    Args:
        model: The name of a shipped model, a run folder, or a `.keras` file with its card.

    Returns:
        The `.keras` file and its card.

    Raises:
        ModelError: There is none, or edgits hasn't made it.
    """
    given = Path(model)
    path = given / "model.keras" if given.is_dir() else given if given.is_file() else _WEIGHTS / f"{model}.keras"
    if not path.is_file() or path.suffix != ".keras":
        names = ", ".join(sorted(found.stem for found in _WEIGHTS.glob("*.keras"))) or "none"
        raise ModelError(
            f"there is no trained model '{model}': give a run folder, a .keras file with its card, "
            f"or the name of a shipped model ({names})"
        )
    card = load_card(path)
    if card is None or card.name not in MODELS:
        found = f"a card of '{card.name}'" if card else "no card"
        raise ModelError(f"'{path}' has {found}; give one of {', '.join(MODELS)} that edgits has trained")
    return path, card


def recipe_for(card: ModelCard) -> Recipe:
    """Returns how to train a model further: gently, and on the rehearsed digits by its own answers alone."""
    return Recipe(
        "finetune",
        card.name,
        "a finished model on own digits",
        normalization=card.normalization,
        epochs=8,
        batch_size=64,
        learning_rate=5e-4,
        label_smoothing=0.02,
        augment=bool(card.training.get("recipe", {}).get("augment", True)),
        reject=NONE_LABEL in card.labels,
        windows=card.windows,
        distillation=1.0,
    )


def finetune(
    own: Sequence[Part],
    start: Path,
    recipe: Recipe,
    out: Path,
    *,
    seed: int,
    test: Dataset | None = None,
    finish: Callable[[Run, list[Comparison]], None],
    **told: Any,
) -> None:
    """Trains a model further and compares it with what it was.

    Args:
        own: One's own digits; of the first part 30 % are held back where `test` is None.
        start: The `.keras` file to start from.
        recipe: As `recipe_for` makes it.
        out: The run folder; the comparisons are written to its ``figures.json``.
        seed: Source of all randomness.
        test: Own digits to compare on.
        finish: Called with the run, and the comparisons on one's own and on the rehearsed kind of digits.
        told: More of `edgits.train.fit.fit_run`: ``command``, ``resume``, ``strategy``, ``on_batch``, …
    """
    parts = list(own)
    if test is None:
        kept, held = stratified_split(parts[0].data.labels, _HELD_BACK, seed)
        test = parts[0].data.take(held)
        parts[0] = replace(parts[0], data=parts[0].data.take(kept))
    rest = load_dataset(REHEARSAL)
    rehearsed, others = stratified_split(rest.labels, _COMPARED, seed)
    share = _OWN_SHARE * len(rehearsed) / sum(len(part.data) for part in parts)
    often = min(max(1.0, share), _MOST_OFTEN)
    shown = [replace(part, weight=often * part.weight, taught=False) for part in parts]
    kinds = {"your digits": test, "the digits known before": rest.take(others)}

    def compare(run: Run) -> None:
        models = [load_keras(path) for path in (start, run.folder / "model.keras")]
        compared = [_compare(name, *(_right(model, recipe, data) for model in models)) for name, data in kinds.items()]
        files.write_json(run.folder / "figures.json", [comparison.to_json() for comparison in compared])
        finish(run, compared)

    fit_run(
        [Part(rest.take(rehearsed)), *shown],
        recipe,
        out,
        seed=seed,
        test=test,
        start=start,
        teacher=start,
        finish=compare,
        **told,
    )


def comparison_text(comparisons: Sequence[Comparison]) -> str:
    """Returns the comparisons as a table of 80 columns, with 95 % intervals."""
    lines = [f"{'':<24}{'images':>6}   {'before':<25}after"]
    for row in comparisons:
        cells = []
        for count in (row.before, row.after):
            low, high = (100 * limit for limit in wilson(count, row.n))
            cells.append(f"{100 * count / row.n:.1f} % ({low:.1f} to {high:.1f})")
        lines.append(f"{row.name:<24}{row.n:>6}   {cells[0]:<25}{cells[1]}")
    return "\n".join(lines)


def _compare(name: str, before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> Comparison:
    counts = (found.sum() for found in (before, after, after & ~before, before & ~after))
    return Comparison(name, len(before), *(int(count) for count in counts))


def _right(model: Any, recipe: Recipe, data: Dataset) -> npt.NDArray[np.bool_]:
    """Tells which images a model reads right, bool (N,); it has to decide for a digit."""
    keras = require("keras", extra="train")
    inputs = recipe.normalization.batch(data.images)
    logits = [
        keras.ops.convert_to_numpy(model(inputs[at : at + _BATCH], training=False))
        for at in range(0, len(inputs), _BATCH)
    ]
    best = np.concatenate(logits)[:, : len(data.class_names)].argmax(axis=1)
    return np.asarray(best == data.labels, np.bool_)
