"""Writes the compatibility matrix: `python -m edgits.export.matrix RUN --out docs/compatibility.md`.

Every format is exported anew and run on every runtime that there is for it, in a process of its own; what
counts is how it answers, not that it loads. It fetches old runtimes, which needs a network.
"""

import importlib.metadata
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from edgits import files
from edgits.card import ModelCard, load_card
from edgits.edge.apart import run_apart
from edgits.edge.runtimes import Floats
from edgits.errors import CheckError, EdgitsError, MissingExtraError, ModelError
from edgits.export import carray
from edgits.export.environments import run_bare
from edgits.export.exporter import export, require_converters
from edgits.export.feed import load_samples
from edgits.export.oldest import HISTORY, OLD_TFLITE, Attempt, find_oldest
from edgits.export.recipes import RECIPES, Recipe
from edgits.export.source import load_source
from edgits.export.trial import Run, Trial, make_trial

_Runner = Callable[[Path, str, list[Floats]], tuple[str, list[Floats]]]
_FEW = 1000  # of the images, for the runtime that takes 8 ms an image


@dataclass(frozen=True)
class Column:
    """A runtime.

    Attributes:
        title: Its name and version.
        suffixes: Files that it can be given.
        start: Makes a file into what runs batches on it; None for the first of the old runtimes.
        slow: Whether it gets `_FEW` images only.
    """

    title: str
    suffixes: tuple[str, ...]
    start: Callable[[Path], Run] | None
    slow: bool = False


@dataclass(frozen=True)
class Cell:
    """What became of a format on a runtime.

    Attributes:
        text: What the table shows.
        reason: Why it doesn't do; empty where it does.
    """

    text: str
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A format.

    Attributes:
        recipe: Which.
        size: Of its file, in bytes.
        cells: One a column; None where the runtime doesn't read such files.
        oldest: The oldest runtime that answers right.
    """

    recipe: Recipe
    size: int
    cells: tuple[Cell | None, ...]
    oldest: str


def _columns() -> list[Column]:
    """Returns the runtimes that are installed, and an old one."""

    def column(runtime: str, title: str, packages: Sequence[str], kinds: Sequence[str], run: _Runner) -> None:
        """Adds a runtime if one of the packages that bring it is here."""

        def start(path: Path) -> Run:
            return partial(run, path, runtime)

        package = next((name for name in packages if _has(name)), None)
        if package is not None:
            title = f"{title} {importlib.metadata.version(package)}"
            columns.append(Column(title, tuple(kinds), start, slow=runtime == "tflite-micro"))

    columns: list[Column] = []
    column("litert", "LiteRT", ["ai-edge-litert"], [".tflite"], run_apart)
    columns.append(Column(f"{OLD_TFLITE.runtime} {OLD_TFLITE.version}", (".tflite",), None))
    column("tensorflow", "TensorFlow", ["tensorflow-cpu", "tensorflow"], [".tflite"], run_bare)
    column("tflite-micro", "TFLite Micro", ["tflite-micro"], [".tflite"], run_bare)
    column("onnxruntime", "ONNX Runtime", ["onnxruntime"], [".onnx"], run_apart)
    column("opencv", "OpenCV", ["opencv-python-headless", "opencv-python"], [".tflite", ".onnx"], run_bare)
    return columns


def _has(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def measure(run_folder: Path, count: int | None, say: Callable[[str], None]) -> tuple[Trial, list[Column], list[Row]]:
    """Exports a run in all formats and runs each on every runtime, with `count` images or all.

    Raises:
        ModelError: The run folder can't be used.
        MissingExtraError: A converter isn't installed.
    """
    recipes = list(RECIPES.values())
    require_converters(recipes)
    source = load_source(run_folder)
    say(f"reading the test images with {source.path.name}")
    images = str(run_folder / "test.npz")
    trial = make_trial(source.path, lambda card: load_samples(images, card.labels, card.input.shape[2]), None)
    trial = trial.some(count) if count else trial
    columns, rows = _columns(), []
    with tempfile.TemporaryDirectory() as folder:
        exports = export(source, recipes, Path(folder), on_start=lambda recipe: say(f"exporting {recipe.name}"))
        for made in exports:
            rows.append(_measure_one(made.path, made.recipe, columns, trial, say))
    return trial, columns, rows


def _measure_one(path: Path, recipe: Recipe, columns: list[Column], trial: Trial, say: Callable[[str], None]) -> Row:
    card = load_card(path)
    size = path.stat().st_size
    if path.suffix == ".cc":
        model = path.with_name("array.tflite")
        model.write_bytes(carray.read(path))
        path, size = model, model.stat().st_size
    attempts = find_oldest(path, recipe, card, trial, on_step=say)
    cells: list[Cell | None] = []
    for column in columns:
        if path.suffix not in column.suffixes:
            cells.append(None)
        elif column.start is None:
            cells.append(_cell_of(attempts[0]))
        else:
            say(f"running {recipe.name} on {column.title}")
            some = trial.some(_FEW) if column.slow else trial
            cells.append(_cell(column.title, column.start(path), recipe, card, some, few=column.slow))
    last = attempts[-1]
    return Row(recipe, size, tuple(cells), "–" if last.problem else f"{last.runtime} {last.version}")


def _cell_of(attempt: Attempt) -> Cell:
    if attempt.accuracy is None:
        return Cell("refused" if attempt.tried else "not tried", attempt.problem)
    text = f"{attempt.accuracy:.2%}, {attempt.flips}"
    return Cell(f"**wrong**: {text}", attempt.problem) if attempt.problem else Cell(text)


def _cell(title: str, run: Run, recipe: Recipe, card: ModelCard | None, trial: Trial, *, few: bool) -> Cell:
    try:
        check = trial.check(run, title, recipe, card)
    except MissingExtraError as error:
        return Cell("not tried", str(error))
    except (ModelError, CheckError) as error:
        return Cell("refused", str(error))
    text = f"{check.accuracy:.2%}, {check.flips}" + (f" of {check.images:,}" if few else "")
    return Cell(f"**wrong**: {text}", check.problem) if check.problem else Cell(text)


_PAGE = """\
# What runs where

Every format of `{name}` on every runtime: accuracy on {images:,} held-back images, and how many of them are read
otherwise than by Keras, which reads {accuracy:.2%} right. Everything was measured, on {machine}; nothing here means
only that a file loads. "Refused" is an error message, "wrong" no message and wrong answers; "–" is a runtime for
other files. The last column is the oldest of a series of runtimes, beginning with {first}, that answers right.

```
python -m edgits.export.matrix RUN
```

{table}

What was refused or wrong, and why:

{reasons}
"""


def page(trial: Trial, columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """Returns the matrix as Markdown."""
    heads = ["format", "kB", *(column.title for column in columns), "oldest that answers right"]
    lines = [heads, ["---", "---:", *["---"] * (len(columns) + 1)]]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        shown = ["–" if cell is None else cell.text for cell in row.cells]
        lines.append([f"`{row.recipe.name}`", f"{row.size / 1000:.0f}", *shown, row.oldest])
        for column, cell in zip(columns, row.cells, strict=True):
            if cell is not None and cell.reason:
                reasons.setdefault(f"{column.title}: {cell.reason[:200]}", []).append(f"`{row.recipe.name}`")
    firsts = (f"{series[0].runtime} {series[0].version}" for series in HISTORY.values())
    return _PAGE.format(
        name=trial.card.name,
        images=len(trial.data),
        accuracy=trial.reference.accuracy,
        machine=f"{platform.system()} on {platform.machine()}",
        first=" or ".join(firsts),
        table="\n".join("| " + " | ".join(line) + " |" for line in lines),
        reasons="\n".join(f"- {', '.join(names)} on {reason}" for reason, names in reasons.items()) or "nothing",
    )


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default="docs/compatibility.md", show_default=True)
@click.option("--images", type=click.IntRange(1), help="Use so many of the test images only, a share of each digit.")
def main(run: Path, out: Path, images: int | None) -> None:
    """Measures every format of the model in RUN on every runtime, and writes a page."""
    try:
        files.write_bytes(out, page(*measure(run, images, lambda text: click.echo(text, err=True))).encode())
    except EdgitsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(out)


if __name__ == "__main__":
    main()
