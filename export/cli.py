"""`edgits export` and `edgits verify`: options, progress, tables. The work is imported only when it runs."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgits.errors import GateError, OutputError
from edgits.export.recipes import GROUPS, RECIPES, select

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgits.export.exporter import Export
    from edgits.export.layers import Layer
    from edgits.export.verify import Verdict

_PIPE_WIDTH = 100  # where there is no terminal to ask
_FORMATS = "\n".join(
    f"  {recipe.name:<21} {recipe.about}{'' if recipe.default else ' (all)'}" for recipe in RECIPES.values()
)


@click.command(epilog=f"\b\nFormats, of which 'default' takes those without (all):\n{_FORMATS}")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    default=("default",),
    show_default=True,
    help=f"Format to write, or {' or '.join(GROUPS)}; may be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: RUN/export]")
@click.option(
    "--data",
    metavar="DATA",
    help="Images to calibrate and check with, as `edgits train` reads them.  [default: the run's own]",
)
@click.option(
    "--input-range",
    type=(float, float),
    default=(0.0, 1.0),
    show_default=True,
    metavar="LOW HIGH",
    help="What a model without a card takes black and white as; the exported files take 0 and 1.",
)
@click.option(
    "--normalization",
    type=click.Choice(["ink", "resize"]),
    help="How images become the input of a model without a card: the digit found and centred, or only "
    "resized.  [default: ink for square grey ones of 10 or 11 classes]",
)
def export(
    run: Path,
    formats: tuple[str, ...],
    out: Path | None,
    data: str | None,
    input_range: tuple[float, float],
    normalization: str | None,
) -> None:
    """Writes the model of RUN for the boards: TFLite, ONNX and C, float and quantized.

    RUN is a run folder of `edgits train`, or a .keras file or SavedModel folder of anybody's
    that takes one image, grey or colour. Every file gets its card (FILE.card.json), runs on
    every runtime installed, and must answer as Keras does on real images; a file that doesn't
    is an error and isn't kept. The figures are in checks.json.
    """
    if input_range[0] >= input_range[1]:
        raise click.BadParameter(f"LOW must be below HIGH, found {input_range[0]:g} and {input_range[1]:g}")
    recipes = select(formats)
    own_folder = run.is_dir() and not (run / "saved_model.pb").exists()
    folder = out or (run if own_folder else run.parent) / "export"
    _check_writable(folder)
    from rich.console import Console

    from edgits.export import exporter
    from edgits.export.source import find_model, load_source

    find_model(run)
    exports: list[Export] = []
    with _progress_console() as console, console.status("loading the Keras model") as status:
        exporter.require_converters(recipes)
        source = load_source(run, data=data, input_range=input_range, normalization=normalization)
        try:
            exporter.export(
                source,
                recipes,
                folder,
                on_start=lambda recipe: status.update(
                    f"{recipe.name}: converting and checking ({len(exports) + 1} of {len(recipes)})"
                ),
                on_done=exports.append,
            )
        finally:
            status.stop()
            if exports:
                _print(Console(), exports, source.card.name)
    click.echo(f"{len(exports)} format{'s' if len(exports) > 1 else ''}, each with its card, in {folder}")


@click.command(epilog="Example: edgits verify small --against small-float16 --out verified")
@click.argument("artifact")
@click.option(
    "--against",
    metavar="MODEL",
    help="What it must answer like: a model file, or the name of a shipped one.  [default: the run's Keras model]",
)
@click.option(
    "--data",
    metavar="DATA",
    help="Labelled images to compare on, as `edgits train` reads them.  [default: the run's own, else mnist5k]",
)
@click.option("--layers", is_flag=True, help="Measure layer by layer where it loses how much.")
@click.option(
    "--oldest", is_flag=True, help="Look for the oldest runtime that really answers right; fetches old ones from PyPI."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write verify.json there, flips.png with the images that are read differently, and layers.png with --layers.",
)
def verify(
    artifact: str,
    against: str | None,
    data: str | None,
    layers: bool,
    oldest: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Proves that the model file ARTIFACT answers as its original does, or names what is wrong with it.

    ARTIFACT is a .tflite, .onnx or .keras file, edgits' or somebody else's, or the name of a shipped model.
    It runs on every runtime installed, each in a process of its own. Exit code 0: verified; 1: a fault was
    found. Faults that are found and named: a file that isn't its card's, is damaged or cut short, or has no
    weights; an operation too new for a runtime; a crash, a hang; NaN; the same answer to every image;
    swapped polarity; inputs or calibration of another range; chance level; a batch that can't change; more
    flips, or larger differences, than its format may have.
    """
    if out is not None:
        _check_writable(out)
    from rich.console import Console

    from edgits.export.verify import verify as prove
    from edgits.export.verify import write

    with _progress_console() as progress, progress.status("starting") as status:
        verdict = prove(artifact, against=against, data=data, oldest=oldest, layers=layers, on_step=status.update)
    written = write(verdict, out) if out is not None else []
    if as_json:
        click.echo(json.dumps(verdict.to_json()))
    else:
        _print_verdict(Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH), verdict)
        for path in written:
            click.echo(f"written  {path}")
    if verdict.faults:
        raise GateError(f"'{verdict.artifact}' isn't verified: {' and '.join(map(str, verdict.faults))}")


def _check_writable(folder: Path) -> None:
    """Finds out before the slow work whether `folder` can be made and written; makes nothing."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        found = "permission denied" if nearest.is_dir() else f"'{nearest}' is no folder"
        raise OutputError(f"can't write '{folder}': {found}; choose another place with --out")


@contextlib.contextmanager
def _progress_console() -> Iterator["Console"]:
    """A console on the terminal behind stderr, which stays there while converters are silenced."""
    from rich.console import Console

    with os.fdopen(os.dup(2), "w") as terminal:
        yield Console(file=terminal, quiet=not sys.stderr.isatty())


def _print(console: "Console", exports: Sequence["Export"], model: str) -> None:
    checked = next((check for result in exports for check in result.checks), None)
    if checked:
        accuracy = f"{checked.reference_accuracy:.2%} of {checked.images:,} held-back images"
        console.print(f"\n[bold]{model}[/bold]: Keras reads {accuracy} right\n", highlight=False)
    console.print(table(exports))
    for note in dict.fromkeys(note for result in exports for note in result.left_out):
        console.print(f"not checked on {note}", style="yellow", markup=False, highlight=False)


def table(exports: Sequence["Export"]) -> "Table":
    """Makes the table of what was written and how it compares with Keras; a row a format and runtime.

    ``flips`` counts images in which another digit is read, ``none`` those that only one takes for no digit.
    """
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("format", "KB", "s", "runtime", "accuracy", "flips", "none", "largest\ndiff.", ""):
        result.add_column(name, justify="left" if name in ("format", "runtime", "") else "right", no_wrap=True)
    for export in exports:
        size = f"{export.bytes / 1000:.0f}" if export.bytes else "–"
        head = (export.recipe.name, size, f"{export.seconds:.1f}")
        verdict = "[red]✗[/red]" if export.problem else "[green]✓[/green]"
        if not export.checks:
            result.add_row(*head, "–", "–", "–", "–", "–", verdict)
        for check in export.checks:
            figures = (f"{check.accuracy:.2%}", str(check.flips), str(check.rejections), f"{check.difference:.4f}")
            result.add_row(*head, check.runtime, *figures, verdict)
            head, verdict = ("", "", ""), ""
    return result


def _print_verdict(console: "Console", verdict: "Verdict") -> None:
    from rich.markup import escape

    name, reference = verdict.artifact.name, verdict.reference.name
    compared = f"against {reference}, {verdict.images:,} images of {Path(verdict.data).name}"
    console.print(f"\n[bold]{escape(name)}[/bold] {escape(compared)}")
    if verdict.outcomes:
        console.print(verdict_table(verdict))
    if verdict.structure:
        used = ", ".join(f"{op.name} v{op.version} ×{op.count}" for op in verdict.structure.operations)
        console.print(f"operations: {used}", style="dim")
    if verdict.layers:
        console.print(layer_table(verdict.layers))
    for attempt in verdict.oldest:
        runtime = f"{attempt.runtime} {attempt.version}"
        if not attempt.problem:
            console.print(f"oldest runtime that answers right: [bold]{runtime}[/bold], {attempt.flips} flips")
        else:
            said = "wasn't tried" if not attempt.tried else "doesn't do"
            console.print(f"{runtime} {said}: {attempt.problem}", style="yellow", markup=False)
    for note in verdict.left_out:
        console.print(f"not verified on {note}", style="yellow", markup=False)
    for fault in verdict.faults:
        console.print(f"[red]✗ {fault.name}:[/red] {escape(f'{fault.meaning}; {fault.advice}')}")
    if not verdict.faults:
        console.print(f"[green]✓ verified[/green] within the limits of {verdict.limits}")


def layer_table(layers: Sequence["Layer"]) -> "Table":
    """Makes the table of layers; errors in percent of the float values."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("", "layer", "error %", "added", "its weights' %"):
        result.add_column(head, justify="left" if head == "layer" else "right", no_wrap=True)
    worst = max(layers, key=lambda layer: layer.added)
    for place, layer in enumerate(layers, 1):
        weights = "–" if layer.weight_error is None else f"{100 * layer.weight_error:.3g}"
        figures = (f"{100 * layer.error:.3g}", f"{100 * layer.added:+.2g}", weights)
        result.add_row(str(place), layer.operation, *figures, style="red" if layer is worst else None)
    return result


def verdict_table(verdict: "Verdict") -> "Table":
    """Makes the table of a verdict, a row a runtime; its differences are those of probabilities."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    heads = ("runtime", "accuracy", "reference", "McNemar p", "flips", "none", "largest\ndiff.", "mean\ndiff.")
    for head in (*heads, "SNR\ndB", "cosine"):
        result.add_column(head, justify="left" if head == "runtime" else "right", no_wrap=True)
    for outcome in verdict.outcomes:
        check = outcome.check
        result.add_row(
            f"{check.runtime} {check.version}",
            f"{check.accuracy:.2%}",
            f"{check.reference_accuracy:.2%}",
            f"{outcome.p_value:.2g}" if outcome.p_value >= 0.001 else "<0.001",
            str(check.flips),
            str(check.rejections),
            f"{check.difference:.2g}",
            f"{outcome.mean:.2g}",
            f"{outcome.snr_db:.0f}",
            f"{outcome.cosine:.4f}",
        )
    return result
