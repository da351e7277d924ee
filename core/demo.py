"""`edgits demo`: the whole chain on embedded data, by the same commands that a user types.

It knows their names and options, not what is behind them.
"""

import importlib.util
import os
import shlex
import shutil
from pathlib import Path

import click

from edgits import __version__, files
from edgits.errors import OutputError, require

_MARKER = "demo.json"
_FRAMES = 300
_PACKAGES = (("keras", "train"), ("sklearn", "train"), ("mlxtend", "train"), ("onnxruntime", "onnx"))
_PIPE_WIDTH = 100


@click.command(epilog="Example: edgits demo --out demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for all that it makes; an earlier demo in it is replaced.",
)
def demo(out: Path) -> None:
    """Trains, exports, benchmarks and runs a reader: no camera, no network.

    Takes 5,000 real handwritten digits that are installed with edgits, trains a compact network on them, exports it
    to TFLite and ONNX, compares every file with the original, and lets the int8 one read the built-in camera scene.
    """
    commands = _commands(out)
    _check_ready()
    _prepare(out, commands)
    for number, command in enumerate(commands, 1):
        _heading(f"{number}/{len(commands)}  edgits {shlex.join(command)}")
        _run(command)
    _close(out)


def _commands(out: Path) -> list[list[str]]:
    run = out / "run"
    live = ["--record", str(out / "live.mp4"), "--sheet", str(out / "live.png"), "--jsonl", str(out / "live.jsonl")]
    return [
        ["train", "mnist5k", "--recipe", "demo", "--out", str(run)],
        ["export", str(run)],
        ["benchmark", str(run)],
        ["live", "--source", "scene", "--model", _int8(run), "--headless", "--max-frames", str(_FRAMES), *live],
    ]


def _int8(run: Path) -> str:
    return str(run / "export" / "small-int8.tflite")


def _check_ready() -> None:
    """Finds out now what would otherwise be missing after minutes."""
    for package, extra in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            require(package, extra=extra)


def _prepare(out: Path, commands: list[list[str]]) -> None:
    """Empties the folder of an earlier demo; leaves every other folder alone."""
    if out.is_dir() and any(out.iterdir()) and not (out / _MARKER).is_file():
        raise OutputError(f"'{out}' holds files that no demo has made; choose another folder with --out")
    files.make_folder(out)
    shutil.rmtree(out / "run", ignore_errors=True)
    for name in ("live.mp4", "live.png", "live.jsonl"):
        (out / name).unlink(missing_ok=True)
    typed = [shlex.join(["edgits", *command]) for command in commands]
    files.write_json(out / _MARKER, {"edgits": __version__, "commands": typed})


def _heading(text: str) -> None:
    width = min(shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns, 120)
    click.echo()
    click.secho("─" * width, dim=True)
    click.secho(text, bold=True)
    click.secho("─" * width, dim=True)


def _run(command: list[str]) -> None:
    from edgits.cli import cli

    cli.main(command, prog_name="edgits", standalone_mode=False)


def _close(out: Path) -> None:
    """Says where everything is, and what to do with a real camera."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    model = shlex.quote(_int8(out / "run"))
    made = [
        ("live.mp4", "what the camera saw, and what was read in it"),
        ("live.png", "frames of it on one sheet"),
        ("live.jsonl", "the readings, a line a frame"),
        ("run/export/", "the models, each with its card (.card.json)"),
        ("run/Performance.xlsx", "the training's report: figures, confusion matrix, mistakes"),
        ("run/history.png", "accuracy and loss, epoch by epoch"),
        ("run/model.keras", "the network itself"),
    ]
    tries = [
        ("your own camera", f"edgits live --model {model}"),
        ("a photo of digits", f"edgits predict PHOTO --model {model}"),
        ("your own images", "edgits train FOLDER --recipe classic   (FOLDER/0 … FOLDER/9)"),
        ("this machine", "edgits doctor"),
    ]
    text = Text()
    for title, rows in (("Where it is", [(f"{out}/{name}", about) for name, about in made]), ("What next", tries)):
        width = max(len(left) for left, _ in rows)
        text.append(f"{title}\n", style="bold")
        for left, right in rows:
            text.append(f"  {left:<{width}}", style="cyan").append(f"  {right}\n")
        text.append("\n")
    text.rstrip()
    console = Console(width=None if os.isatty(1) else _PIPE_WIDTH)
    console.print(Panel(text, title="the demo is done", expand=False, padding=(1, 2)))
