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
from edgits.card import NONE_LABEL
from edgits.dataset import Dataset
from edgits.errors import ModelError, OutputError, require
from edgits.quiet import quiet
from edgits.train.checkpoint import Checkpoint
from edgits.train.progress import Display, waited_text
from edgits.train.recipes import RECIPES, Recipe
from edgits.train.spread import STRATEGIES, Strategy, find_worker

if TYPE_CHECKING:
    from edgits.train.mixture import Part
    from edgits.train.runfolder import Run

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
_EPILOG += "\n\n\b\nExamples:\n  edgits train digits/ --recipe classic --out runs/mine\n"
_EPILOG += "  edgits train --from small --data my-digits/"


@click.command(epilog=_EPILOG)
@click.argument("data", required=False)
@click.option("--recipe", type=click.Choice(list(RECIPES)), help="How to train.  [default: small]")
@click.option(
    "--data",
    "more",
    type=_Weighted(),
    multiple=True,
    help="Data, or more data, to train on; an epoch shows each of its images WEIGHT times. May be repeated.",
)
@click.option(
    "--test", metavar="DATA", help="Data to test on, never trained on; by default a part of DATA is held back."
)
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Train a finished model further on your own digits, 50 to 500 images, and rehearse the digits that it knows. "
    "A shipped model, a run folder, or a .keras file with its card.",
)
@click.option("--teacher", metavar="MODEL", help="A finished model to learn from beside the labels, named as --from's.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run folder.  [default: runs/RECIPE, or runs/NAME-own with --from]",
)
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Passes over the data; by default the recipe's.")
@click.option("--batch-size", type=click.IntRange(1, 65_536), help="Images a step; by default the recipe's.")
@click.option(
    "--patience",
    type=click.IntRange(1, 10_000),
    help="Stop once so many epochs have brought no less validation loss, and take the best epoch's weights.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    help="The same seed gives the same model on the same machine.",
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished training in RUN; give all other options again.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="one",
    show_default=True,
    help="mirrored: all accelerators of this machine; multiworker: all machines that TF_CONFIG names, each of which "
    "runs this command. A batch is shared among them.",
)
def train(
    data: str | None,
    recipe: str | None,
    more: tuple[tuple[str, float], ...],
    test: str | None,
    start: str | None,
    teacher: str | None,
    out: Path | None,
    epochs: int | None,
    batch_size: int | None,
    patience: int | None,
    seed: int,
    resume: bool,
    strategy: Strategy,
) -> None:
    """Trains a model on DATA and writes a run folder with the full report.

    DATA is a folder with subfolders 0 to 9 (images in any other folder are label -1: counted, and left out), an IDX
    file or a folder with IDX files (FOLDER:test is its test pair), an .npz with images and labels, a .csv as Kaggle's
    Digit Recognizer has it, or a built-in name: mnist5k, mnist, mnist:test.
    """
    sources = [*([(data, 1.0)] if data else []), *more]
    if not sources:
        raise click.UsageError("there is nothing to train on; give DATA, as an argument or by --data")
    if start and (recipe or teacher):
        raise click.UsageError(f"--{'recipe' if recipe else 'teacher'} and --from exclude each other; leave one out")
    if resume and not out:
        raise click.UsageError("--resume needs the run folder to go on with; give it by --out")
    begun, chosen = _start(start) if start else (None, RECIPES[recipe or "small"])
    chosen = replace(
        chosen,
        epochs=epochs or chosen.epochs,
        batch_size=batch_size or chosen.batch_size,
        patience=patience or chosen.patience,
    )
    guide = _teacher(teacher, chosen) if teacher else None
    worker, workers = find_worker() if strategy == "multiworker" else (0, 1)
    folder = out or Path("runs") / (f"{chosen.model}-own" if start else chosen.name)
    _check_ready(folder, resume)
    from edgits.train.data import check_trainable, load_dataset
    from edgits.train.mixture import Part

    parts = [Part(load_dataset(source), weight) for source, weight in sources]
    held = load_dataset(test) if test else None
    for part in parts:
        check_trainable(part.data)
    for dataset in (*(part.data for part in parts), *([held] if held else [])):
        _tell_data(dataset)
    command = shlex.join(["edgits", *sys.argv[1:]])
    options = {"seed": seed, "test": held, "resume": resume, "strategy": strategy, "command": command}
    with _new_folder(folder) if worker == 0 else contextlib.nullcontext():
        click.echo(f"recipe {chosen.name}: {chosen.epochs} epochs, batch {chosen.batch_size}, seed {seed}")
        if workers > 1:
            click.echo(f"machine {worker} of {workers}; machine 0 writes the run folder")
        click.echo()
        _run(parts, chosen, folder, begun, options | ({} if begun else {"teacher": guide}), quietly=worker > 0)


def _start(model: str) -> tuple[Path, Recipe]:
    from edgits.train.finetune import find_start, recipe_for

    path, card = find_start(model)
    return path, recipe_for(card)


def _teacher(model: str, recipe: Recipe) -> Path:
    """Finds a teacher, and checks by its card that it takes and gives what the recipe's model does."""
    from edgits.train.finetune import find_start

    path, card = find_start(model)
    if card.normalization != recipe.normalization or (NONE_LABEL in card.labels) != recipe.reject:
        raise ModelError(
            f"the teacher '{path}' takes or gives other values than the recipe '{recipe.name}' trains for; "
            "give a teacher of a recipe like it"
        )
    return path


def _check_ready(folder: Path, resume: bool) -> None:
    """Checks what would otherwise fail after the training."""
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            require(package, extra="train")
    unfinished = Checkpoint(folder).exists()
    if unfinished and resume:
        return
    if unfinished:
        raise OutputError(f"'{folder}' holds an unfinished training; go on with it by --resume, or delete the folder")
    if (folder / "run.json").exists() or (folder / "model.keras").exists():
        raise OutputError(f"'{folder}' already holds a run; choose another folder with --out, or delete it")


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Makes the run folder, so that a place that can't be written fails now; takes it away if nothing came of it."""
    files.make_folder(folder)
    try:
        yield
    except BaseException as error:
        if not Checkpoint(folder).exists():
            Checkpoint(folder).remove()
        elif isinstance(error, KeyboardInterrupt) and sys.argv[1:2] == ["train"]:  # and no demo
            arguments = [word for word in sys.argv[1:] if word != "--resume"]
            arguments += [] if "--out" in arguments else ["--out", str(folder)]
            click.echo(f"\ngo on with   {shlex.join(['edgits', *arguments, '--resume'])}", err=True)
        with contextlib.suppress(OSError):  # it holds something, so it stays
            folder.rmdir()
        raise


def _run(
    parts: list["Part"], recipe: Recipe, folder: Path, begun: Path | None, options: dict[str, Any], *, quietly: bool
) -> None:
    """Trains, shows how it goes, and tells of the run."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        require("keras", extra="train")
    from edgits.train.finetune import comparison_text, finetune
    from edgits.train.fit import fit_run

    with Display(recipe.epochs) as display:

        def tell(run: "Run", compared: Any = ()) -> None:
            display.close()
            if not quietly:
                _tell_run(run, recipe, options["seed"], [part.data for part in parts])
                if compared:
                    click.echo(f"\n{comparison_text(compared)}\n")
                click.echo(f"next    edgits export {shlex.quote(str(run.folder))}")

        if begun:
            finetune(parts, begun, recipe, folder, finish=tell, **options, **display.told())
        else:
            fit_run(parts, recipe, folder, finish=tell, **options, **display.told())


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
        "Epochs": len(run.history),
        "Batch size": recipe.batch_size,
        "Seed": seed,
        "Training seconds": round(sum(row["seconds"] for row in run.history), 1),
        "of these, waited for images": round(sum(row.get("waited", 0.0) for row in run.history), 1),
        "edgits": __version__,
    }
    written = write_report(run.folder, evaluation, run.test.images, summary=summary, history=run.history)
    click.echo(f"\naccuracy {accuracy_text(evaluation)}\n\n{report_text(evaluation)}")
    click.echo(f"trained {waited_text(run.history)}")
    click.echo(f"model   {run.folder / 'model.keras'}  ({run.card.parameters:,} parameters)")
    for path in written:
        click.echo(f"report  {path}")
