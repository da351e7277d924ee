"""Trains a shipped model again from its data: `python -m edgits.train.shipped DATA --tier small --out RUN`.

DATA is a folder with the sets that MODELS.md names; UNIPEN may be missing. Parts kept from training judge the
result: the MNIST test part, a tenth of USPS and ARDIS, other puzzles' handwriting, other alphabets.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.dataset import Dataset
from edgits.errors import DataError
from edgits.images import Image
from edgits.stats import softmax, wilson
from edgits.train.data import load_dataset, stratified_split
from edgits.train.drawn import drawn_digits
from edgits.train.finetune import find_start
from edgits.train.fit import Run, fit_run
from edgits.train.mixture import Part
from edgits.train.models import TIERS
from edgits.train.recipes import RECIPES
from edgits.train.unipen import joined, unipen_digits, unipen_marks, unipen_words

Floats = npt.NDArray[np.floating[Any]]
Marks = dict[str, npt.NDArray[np.uint8]]

# How often an epoch shows each image: other hands and thin or faint pens more often than MNIST's.
WEIGHTS = {
    "mnist": 1.0,
    "usps": 1.0,
    "ardis": 1.0,
    "nsysu": 2.0,
    "semeion": 1.5,
    "sudoku": 5.0,
    "printed": 0.5,
    "drawn": 1.0,
    "unipen": 1.0,
}
_DRAWN, _DRAWN_SEED = 6000, 1
# Its folder, which may be missing; its letters, joined ones, and of how many letters and words at most.
UNIPEN, LETTERS, JOINED, _LETTERS, _WORDS = "unipen", "unipen letters", "unipen joined letters", 12000, 6000
_HELD_BACK_SEED = 7
# The same split and the same varied images for every tier and seed: they are made once.
_IMAGE_SEED = 1
_BLANK, _PRINTED, _HANDWRITTEN = 0, 1, 2  # `kind` of the sudoku cells
# Omniglot's characters that a person may read as a digit, or two: a model that learns a round omikron or ieung as no
# digit refuses a plain, round 0, and kiyeok a 7. What they are, and read as:
_LIKE_DIGITS = {
    "Greek": ("04", "08", "09", "15", "18"),  # delta 8, theta 0, iota 1, omikron 0, sigma 0
    "Korean": ("09", "21", "22", "23", "27", "33", "37"),  # o 1, i 1, kiyeok 7, two of those, rieul 2, ieung 0, kieuk 7
    "Sanskrit": ("05", "13", "37"),  # nga 5, da 5, u 3
}


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tier", type=click.Choice(list(TIERS)), default="small", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder to write.")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    multiple=True,
    help="Instead of the recipe's. Given again, another training goes on from the one before, with the learning "
    "rate raised again to a third (warm restarts, Loshchilov and Hutter 2017); RUN-1, RUN-2 … keep those before.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of fresh weights, and of what dropout leaves out."
)
@click.option("--start", help="Model to go on from, at a third of the learning rate: a run folder or a name.")
@click.option("--teacher", help="Model to learn from, given likewise.")
@click.option("--variants", type=click.Path(path_type=Path), help="Folder to keep the varied images in.")
@click.option("--resume", is_flag=True, help="Go on with the unfinished training in the run folder.")
def main(
    data: Path,
    tier: str,
    out: Path,
    epochs: tuple[int, ...],
    seed: int,
    start: str | None,
    teacher: str | None,
    variants: Path | None,
    resume: bool,
) -> None:
    """Trains a shipped model from the sets in DATA and judges it on the parts held back."""
    begun, taught = (find_start(model)[0] if model else None for model in (start, teacher))
    parts, held = load_parts(data)
    words = load_words(data)
    marks, unseen = load_marks(data, words)
    test = replace(load_dataset(f"{data / 'mnist'}:test"), provenance={"source": "mnist:test"})
    recipe = replace(RECIPES[tier], validation_fraction=0.05)
    cycles = epochs or (recipe.epochs,)
    asked = "".join(f" --epochs {count}" for count in cycles) + f" --seed {seed}"
    asked += "".join(f" --{name} {Path(run).name}" for name, run in (("start", start), ("teacher", teacher)) if run)

    def fit(count: int, folder: Path, begun: Path | None) -> Run:
        return fit_run(
            parts,
            # what is learnt already is to stay
            replace(recipe, epochs=count, learning_rate=recipe.learning_rate / (3 if begun else 1)),
            folder,
            seed=seed,
            image_seed=_IMAGE_SEED,
            test=test,
            rejects=list(marks.values()),
            words=words,
            start=begun,
            teacher=taught,
            variants=variants,
            resume=resume,
            command=f"python -m edgits.train.shipped DATA --tier {tier}{asked} --out RUN",
            on_epoch=lambda row: click.echo(
                f"{folder.name}  epoch {row['epoch']:.0f}/{count}  accuracy {row['accuracy']:.4f}  "
                f"validation {row['val_accuracy']:.4f}  loss {row['loss']:.4f}  {row['seconds']:.0f} s"
            ),
        )

    for number, count in enumerate(cycles[:-1], 1):
        before = out.with_name(f"{out.name}-{number}")
        if not (resume and (before / "model.keras").exists()):
            fit(count, before, begun)
        begun = before / "model.keras"
    run = fit(cycles[-1], out, begun)
    figures = judge(run, {"MNIST test": run.test, **held}, unseen)
    files.write_json(out / "figures.json", figures)
    card = replace(run.card, training={**run.card.training, "figures": figures})
    card.save(out / "model.keras")
    for name, figure in figures.items():
        click.echo(f"{name:24s} {figure}")


def load_parts(data: Path) -> tuple[list[Part], dict[str, Dataset]]:
    """Loads the digits to train on, the first of them MNIST's, and the parts held back."""
    held = {}
    parts = {"mnist": load_dataset(str(data / "mnist"))}
    for name in ("usps", "ardis"):
        every = load_dataset(str(data / name))
        kept, back = stratified_split(every.labels, 0.1, _HELD_BACK_SEED)
        parts[name], held[f"{name} held-back tenth"] = every.take(kept), every.take(back)
    parts["nsysu"] = load_dataset(str(data / "nsysu_digits"))
    parts["semeion"] = load_dataset(str(data / "semeion"))
    for name, kind in (("sudoku", _HANDWRITTEN), ("printed", _PRINTED)):
        parts[name] = Dataset(*_cells(data, "train", kind), provenance={"source": f"sudoku {name} cells"})
    parts["drawn"] = drawn_digits(_DRAWN, _DRAWN_SEED)
    if (data / UNIPEN).is_dir():
        parts[UNIPEN], held["unipen, other writers"] = unipen_digits(data / UNIPEN)
    held["sudoku handwriting"] = Dataset(*_cells(data, "val", _HANDWRITTEN))
    named = {name: replace(part, provenance={"source": name, "count": len(part)}) for name, part in parts.items()}
    return [Part(part, WEIGHTS[name]) for name, part in named.items()], held


def load_words(data: Path) -> list[Image]:
    """Draws UNIPEN's words to train on, uint8 (40, W) each, white ink on black; none where it isn't there."""
    return unipen_words(data / UNIPEN, _WORDS) if (data / UNIPEN).is_dir() else []


def load_marks(data: Path, words: Sequence[Image]) -> tuple[Marks, Marks]:
    """Loads images of what is no digit, to train on and held back.

    Args:
        data: The folder of the sets.
        words: Those to train on, of which the joined letters are taken.

    Returns:
        Omniglot's glyphs, empty sudoku cells, letters and joined letters; the last only to train on.
    """
    glyphs = _omniglot(data / "omniglot" / "omniglot-dev.npz")
    blanks = [_cells(data, split, _BLANK)[0] for split in ("train", "val")]
    marks: dict[str, Sequence[npt.NDArray[np.uint8]]] = {"omniglot": glyphs, "blank cells": blanks}
    if (data / UNIPEN).is_dir():
        marks[LETTERS] = unipen_marks(data / UNIPEN, _LETTERS)
    learnt, held = ({name: sets[at] for name, sets in marks.items()} for at in (0, 1))
    return learnt | ({JOINED: joined(words)} if words else {}), held


def judge(run: Run, digits: dict[str, Dataset], others: Marks) -> dict[str, Any]:
    """Measures the run's model on digits (accuracy, accepted) and on what is none (rejected).

    What is rejected is also told for the threshold that accepts 99 % of all these digits, so that models compare.
    """
    import keras

    from edgits.train.calibrate import expected_calibration_error

    model = keras.models.load_model(run.folder / "model.keras", compile=False)
    card = run.card

    def read(images: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Returns the digits' probabilities, (N, 10), and the highest threshold that accepts each image, (N,)."""
        logits = model.predict(card.normalization.batch(images), batch_size=256, verbose=0)
        every = softmax(logits / card.temperature)
        best = every[:, :10].max(axis=1)
        return every[:, :10], np.where(best > every[:, 10:].sum(axis=1), best, 0.0)

    figures: dict[str, Any] = {}
    limits = []
    for name, data in digits.items():
        scores, limit = read(data.images)
        limits.append(limit)
        right = scores.argmax(axis=1) == data.labels
        low, high = wilson(int(right.sum()), len(right))
        figures[name] = {
            "accuracy": round(float(right.mean()), 5),
            "n": len(right),
            "ci95": [round(low, 5), round(high, 5)],
            "accepted": round(float((limit >= card.reject_threshold).mean()), 5),
            "ece": round(expected_calibration_error(scores.max(axis=1), right), 5),
        }
    strict = float(np.quantile(np.concatenate(limits), 0.01))
    for name, images in others.items():
        _, limit = read(images)
        figures[name] = {
            "rejected": round(float((limit < card.reject_threshold).mean()), 5),
            "rejected_at_99_percent_accepted": round(float((limit < strict).mean()), 5),
            "n": len(images),
        }
    return figures


def _cells(data: Path, split: str, kind: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    with np.load(data / "sudoku" / f"cells-{split}.npz") as cells:
        chosen = cells["kind"] == kind
        return cells["images"][chosen], cells["label"][chosen].astype(np.int64)


def _omniglot(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Returns glyphs of four fifths of the alphabets, none of them like a digit, and all those of the rest."""
    try:
        with np.load(path) as glyphs:
            images = glyphs["images"].astype(np.uint8)
            names = [str(name) for name in glyphs["path"]]
    except (OSError, KeyError) as error:
        raise DataError(f"can't read '{path}': {error}; give the folder of the data sets") from error
    alphabets = np.array([name.split("/")[0] for name in names])
    held = np.isin(alphabets, np.unique(alphabets)[::5])
    unlike = np.array([not _is_like_a_digit(name) for name in names])
    return images[~held & unlike], images[held]


def _is_like_a_digit(name: str) -> bool:
    """Tells by the name of its file, as `Greek/character15/0405_01.png`, what a glyph looks like."""
    alphabet, character, *_ = name.split("/")
    return character.removeprefix("character") in _LIKE_DIGITS.get(alphabet, ())


if __name__ == "__main__":
    main()
