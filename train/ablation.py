"""Leaves out one piece of the training at a time and measures what it was worth.

`python -m edgits.train.ablation DATA --out docs/ablation.md`

Small and short on purpose: `nano`, a part of the data, few epochs. Everything is measured on images
that are split off the training parts, so that no test part decides what is kept. Each row is one
run with one seed: differences within the intervals say nothing.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.dataset import Dataset
from edgits.normalize import Normalization
from edgits.stats import softmax, wilson
from edgits.train.data import stratified_split
from edgits.train.fit import Run, fit_run
from edgits.train.mixture import Mixture, Part
from edgits.train.recipes import RECIPES, Recipe
from edgits.train.shipped import JOINED, LETTERS, UNIPEN, WEIGHTS, load_marks, load_parts, load_words
from edgits.train.teacher import load_keras
from edgits.train.variants import as_input

_SEED = 5
_HELD_BACK = 0.15
_DRAWN = "drawn"


@dataclass(frozen=True)
class Trial:
    """One run of the table: what is left out or added.

    Attributes:
        name: What the table calls it.
        recipe: How it is trained.
        without: Sets that it isn't trained on, of digits or of what is none, by their names in `edgits.train.shipped`.
        taught: Whether it has a teacher.
    """

    name: str
    recipe: Recipe
    without: tuple[str, ...] = ()
    taught: bool = False


def trials(recipe: Recipe, *, taught: bool) -> list[Trial]:
    """Returns the runs: everything, then without one piece each."""
    found = [
        Trial("everything", recipe),
        Trial("crops only resized, ink not normalised", replace(recipe, normalization=Normalization("resize"))),
        Trial("images not varied", replace(recipe, augment=False)),
        Trial("MNIST alone", recipe, without=tuple(WEIGHTS)[1:]),
        Trial("no digits of UNIPEN", recipe, without=(UNIPEN,)),
        Trial("no drawn digits", recipe, without=(_DRAWN,)),
        Trial("no letters of UNIPEN", recipe, without=(LETTERS, JOINED)),
        Trial("no output for what is no digit", replace(recipe, reject=False)),
        Trial("labels smoothed by 5 %", replace(recipe, label_smoothing=0.05)),
        Trial("constant learning rate", replace(recipe, schedule="constant")),
        Trial("everything, and windows on rows", replace(recipe, windows=True)),
    ]
    return [*found, Trial("everything, and a teacher", recipe, taught=True)] if taught else found


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--teacher", type=click.Path(exists=True, path_type=Path), help="Run folder of a model to learn from.")
@click.option("--share", type=click.FloatRange(0.01, 1), default=0.25, show_default=True, help="Of the data taken.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True, help="Epochs of each run.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown file to write.")
def main(data: Path, teacher: Path | None, share: float, epochs: int, out: Path) -> None:
    """Trains nano on a share of the sets in DATA, each time without one piece, and writes a table."""
    recipe = replace(RECIPES["nano"], epochs=epochs, batch_size=64, validation_fraction=0.05)
    parts, _ = load_parts(data)
    parts = [replace(part, data=_sample(part.data, share)) for part in parts]
    train, held = _split([part for part in parts if _name(part) != _DRAWN])
    train += [part for part in parts if _name(part) == _DRAWN]  # nobody's hand: none of it is held back
    words = load_words(data)
    found = load_marks(data, words)[0]
    marks = {name: images[::2] for name, images in found.items()}
    strange = np.concatenate([_squares(images[1::2]) for images in found.values()])
    lines = [
        "# What each piece of the training is worth\n",
        f"{len(held[0])} clean digits of MNIST, {len(held[1])} of other hands, {len(strange)} marks that are no digit. "
        f"`nano`, {share:.0%} of the data, {epochs} epochs, seed {_SEED}, one run each.\n",
        "| left out | MNIST | MNIST seen by a camera | other hands | marks rejected |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        there = {*marks, *(_name(part) for part in train)}
        for number, trial in enumerate(trials(recipe, taught=teacher is not None)):
            if trial.without and not there.intersection(trial.without):
                continue
            click.echo(f"{trial.name} …")
            run = fit_run(
                [part for part in train if _name(part) not in trial.without],
                trial.recipe,
                Path(folder) / str(number),
                seed=_SEED,
                test=held[0],
                words=words,
                rejects=[images for name, images in marks.items() if name not in trial.without],
                teacher=teacher / "model.keras" if teacher and trial.taught else None,
                variants=Path(folder) / "variants",
            )
            lines.append(f"| {trial.name} | {' | '.join(_judge(run, held, strange))} |")
            click.echo(lines[-1])
    files.write_bytes(out, ("\n".join(lines) + "\n").encode())


def _name(part: Part) -> str:
    return str(part.data.provenance["source"])


def _sample(data: Dataset, share: float) -> Dataset:
    return data.take(stratified_split(data.labels, share, _SEED)[1]) if share < 1 else data


def _split(parts: Sequence[Part]) -> tuple[list[Part], tuple[Dataset, Dataset]]:
    """Holds a part of each set back: MNIST's, and all others' of one size together."""
    kept, held = [], []
    for part in parts:
        stay, back = stratified_split(part.data.labels, _HELD_BACK, _SEED)
        kept.append(replace(part, data=part.data.take(stay)))
        held.append(part.data.take(back))
    others = [replace(data, images=_squares(data.images)) for data in held[1:]]
    images, labels = (np.concatenate([getattr(data, name) for data in others]) for name in ("images", "labels"))
    return kept, (held[0], Dataset(images, labels))


def _squares(images: npt.NDArray[np.uint8], side: int = 64) -> npt.NDArray[np.uint8]:
    import cv2

    return np.stack([np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)) for image in images])


def _judge(run: Run, held: tuple[Dataset, Dataset], strange: npt.NDArray[np.uint8]) -> list[str]:
    """Returns the cells of a row: three accuracies with their intervals, and the share of marks rejected."""
    model, card = load_keras(run.folder / "model.keras"), run.card
    camera = Mixture([Part(held[0])], card.normalization, augmented=True, seed=_SEED + 1, reject=False)
    inputs = [
        (card.normalization.batch(held[0].images), held[0].labels),
        (as_input(camera.make(0)), camera.labels(camera.picks(0))),
        (card.normalization.batch(held[1].images), held[1].labels),
    ]
    cells = []
    for images, labels in inputs:
        right = int((model.predict(images, batch_size=256, verbose=0)[:, :10].argmax(axis=1) == labels).sum())
        low, high = wilson(right, len(labels))
        cells.append(f"{right / len(labels):.1%} ({100 * low:.1f}–{100 * high:.1f})")
    scores = softmax(model.predict(card.normalization.batch(strange), batch_size=256, verbose=0) / card.temperature)
    best = scores[:, :10].max(axis=1)
    refused = best < card.reject_threshold
    if scores.shape[1] > len(held[0].class_names):
        refused |= best < scores[:, 10:].sum(axis=1)
    return [*cells, f"{refused.mean():.0%}"]


if __name__ == "__main__":
    main()
