"""`edgits train`: options in, run folder out. The work is done by `fit`, `data` and `report`."""

import contextlib
import importlib.util
import math
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgits import __version__, files
from edgits.dataset import Dataset
from edgits.errors import OutputError, require
from edgits.quiet import quiet
from edgits.train.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from edgits.train.fit import Run

_PACKAGES = ("keras", "matplotlib", "seaborn", "openpyxl")
_MOST_NAMES = 20


class _Weighted(click.ParamType[tuple[str, float]]):
    name = "DATA[:WEIGHT]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:
        source, colon, tail = str(value).rpartition(":")
        try:
            weight = float(tail)
        except ValueError:
            return str(value), 1.0
        if not colon:
            return str(value), 1.0
        if not (math.isfinite(weight) and weight > 0):
            self.fail(f"the weight must be above 0, found {tail}; give for example {source}:0.5", param, ctx)
        return source, weight


# "\b" keeps click from joining the lines that follow
_EPILOG = "\b\nRecipes:\n" + "\n".join(f"  {name:<8} {recipe.about}" for name, recipe in RECIPES.items())
_EPILOG += "\n\nExample: edgits train digits/ --recipe classic --out runs/mine"


@click.command(epilog=_EPILOG)
@click.argument("data")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="small", show_default=True, help="How to train.")
@click.option(
    "--data",
    "more",
    type=_Weighted(),
    multiple=True,
    help="More data to train on; an epoch shows each of its images WEIGHT times. May be repeated.",
)
@click.option(
    "--test", metavar="DATA", help="Data to test on, never trained on; by default a part of DATA is held back."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Run folder.  [default: runs/RECIPE]")
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Passes over the data; by default the recipe's.")
@click.option("--batch-size", type=click.IntRange(1, 65_536), help="Images a step; by default the recipe's.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="The same seed gives the same model on the same machine.",
)
def train(
    data: str,
    recipe: str,
    more: tuple[tuple[str, float], ...],
    test: str | None,
    out: Path | None,
    epochs: int | None,
    batch_size: int | None,
    seed: int,
) -> None:
    """Trains a model on DATA and writes a run folder with the full report.

    DATA is a folder with subfolders 0 to 9 (images in any other folder are label -1: counted, and left out), an IDX
    file or a folder with IDX files (FOLDER:test is its test pair), an .npz with images and labels, a .csv as Kaggle's
    Digit Recognizer has it, or a built-in name: mnist5k, mnist, mnist:test.
    """
    chosen = RECIPES[recipe]
    chosen = replace(chosen, epochs=epochs or chosen.epochs, batch_size=batch_size or chosen.batch_size)
    folder = out or Path("runs") / recipe
    _check_ready(folder)
    from edgits.train.data import check_trainable, load_dataset
    from edgits.train.mixture import Part

    parts = [Part(load_dataset(source), weight) for source, weight in ((data, 1.0), *more)]
    held = load_dataset(test) if test else None
    for part in parts:
        check_trainable(part.data)
    for dataset in (*(part.data for part in parts), *([held] if held else [])):
        _tell_data(dataset)
    with _new_folder(folder):
        run = _fit(parts, chosen, folder, seed=seed, test=held)
        _tell_run(run, chosen, seed, [part.data for part in parts])


def _check_ready(folder: Path) -> None:
    """Checks what would otherwise fail after the training."""
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            require(package, extra="train")
    if (folder / "run.json").exists() or (folder / "model.keras").exists():
        raise OutputError(f"'{folder}' already holds a run; choose another folder with --out, or delete it")


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Makes the run folder, so that a place that can't be written fails now; takes it away if nothing came of it."""
    files.make_folder(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # it holds something, so it stays
            folder.rmdir()
        raise


def _fit(parts: Any, recipe: Recipe, folder: Path, *, seed: int, test: Dataset | None) -> "Run":
    """Trains, with an epoch a line and, on a terminal, a bar with the time left."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        require("keras", extra="train")
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from edgits.train.fit import fit_run

    console = Console(highlight=False, markup=False)
    click.echo(f"recipe {recipe.name}: {recipe.epochs} epochs, batch {recipe.batch_size}, seed {seed}\n")
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]} left")
    with Progress(*columns, console=console, transient=True, disable=not sys.stdout.isatty()) as progress:
        bar = progress.add_task("starting", total=1.0, left="–")

        def on_batch(epoch: int, done: int, left: float) -> None:
            passed = progress.tasks[0].elapsed or 0.0
            progress.update(
                bar,
                description=f"epoch {epoch}/{recipe.epochs}, step {done}",
                completed=passed / max(passed + left, 1e-9),
                left=_clock(left),
            )

        def on_epoch(row: dict[str, float]) -> None:
            left = row["seconds"] * (recipe.epochs - row["epoch"])
            console.print(
                f"epoch {row['epoch']:>3.0f}/{recipe.epochs}  "
                f"accuracy: training {row['accuracy']:.2%}, validation {row['val_accuracy']:.2%}  "
                f"loss: {row['loss']:.4f}, {row['val_loss']:.4f}  {_clock(left)} left",
                soft_wrap=True,
            )

        command = shlex.join(["edgits", *sys.argv[1:]])
        return fit_run(
            parts, recipe, folder, seed=seed, test=test, command=command, on_batch=on_batch, on_epoch=on_epoch
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _tell_data(dataset: Dataset) -> None:
    """Says what a source gave, and by name what it did not."""
    facts = dataset.provenance
    _, height, width = dataset.images.shape
    counts = ", ".join(f"{name}: {count}" for name, count in zip(dataset.class_names, facts["per_class"], strict=True))
    click.echo(f"data '{facts['source']}': {facts['count']} images, {width}x{height}  ({counts})")
    if facts["left_out"]:
        places = ", ".join(f"{name}: {count}" for name, count in facts["left_out"].items())
        click.echo(f"  label -1: {sum(facts['left_out'].values())} left out  ({places})")
    if facts["unreadable"]:
        click.echo(f"  unreadable: {len(facts['unreadable'])} skipped")
        for line in facts["unreadable"][:_MOST_NAMES]:
            click.echo(f"    {line}")
        if len(facts["unreadable"]) > _MOST_NAMES:
            click.echo(f"    … and {len(facts['unreadable']) - _MOST_NAMES} more, named in run.json")


def _tell_run(run: "Run", recipe: Recipe, seed: int, datasets: list[Dataset]) -> None:
    """Writes the report into the run folder and prints what matters of it."""
    from edgits.train.report import accuracy_text, evaluate, report_text, write_report

    size = recipe.normalization.size
    names = run.test.class_names  # of a model that also knows "none", the digits are judged
    evaluation = evaluate(run.test.labels, run.probabilities[:, : len(names)], names)
    summary = {
        "Model": run.card.name,
        "Recipe": recipe.name,
        "Data": [dataset.provenance["source"] for dataset in datasets],
        "Left out (label -1)": {k: v for dataset in datasets for k, v in dataset.provenance["left_out"].items()},
        "Unreadable": [line for dataset in datasets for line in dataset.provenance["unreadable"]],
        "Input": f"{size}x{size}, grey, 0 to 1, {recipe.normalization.method}",
        "Parameters": run.card.parameters,
        "Multiply-accumulates": run.card.macs,
        "Epochs": recipe.epochs,
        "Batch size": recipe.batch_size,
        "Seed": seed,
        "Training seconds": round(sum(row["seconds"] for row in run.history), 1),
        "edgits": __version__,
    }
    written = write_report(run.folder, evaluation, run.test.images, summary=summary, history=run.history)
    click.echo(f"\naccuracy {accuracy_text(evaluation)}\n\n{report_text(evaluation)}")
    click.echo(f"model   {run.folder / 'model.keras'}  ({run.card.parameters:,} parameters)")
    for path in written:
        click.echo(f"report  {path}")
    click.echo(f"next    edgits export {shlex.quote(str(run.folder))}")
