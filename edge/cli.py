"""The commands of the edge: `predict`, `live`, `doctor`. Thin; loads OpenCV and a runtime only when one runs."""

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgits.edge.reader import Reader
    from edgits.edge.results import FrameResult
    from edgits.edge.sinks import Shot, Sink

RUNTIMES = ("litert", "tflite-runtime", "tensorflow", "onnxruntime", "keras")


def _model_options(command: Any) -> Any:
    """Adds the options that choose a model and how it runs."""
    for option in (
        click.option(
            "--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads a model uses."
        ),
        click.option(
            "--runtime", type=click.Choice(RUNTIMES), help="What runs the model; by default the first that works."
        ),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            help="Least confidence of a reading; by default the model's own.",
        ),
        click.option(
            "--model", default="small", show_default=True, metavar="NAME|PATH", help="A shipped model, or a model file."
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@_model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and an image.")
@click.option(
    "--annotate", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write annotated images there."
)
def predict(
    images: tuple[Path, ...],
    model: str,
    threshold: float | None,
    runtime: str | None,
    threads: int,
    as_json: bool,
    annotate: Path | None,
) -> None:
    """Reads the digits in photos, or in crops of single digits.

    An image of at most 64 pixels in which no digit is found is read as one digit that fills it.
    All images are read before anything is printed or written: if one can't be, it is named,
    nothing is printed, and the exit code is 2.

    \b
    edgits predict photo.jpg
    edgits predict *.png --json > readings.jsonl
    """  # noqa: D301 - click wants the backspace character itself
    from edgits.edge import photo

    results = photo.read_photos(_load(model, threshold, runtime, threads), images)
    if annotate is not None:
        photo.annotate(results, annotate)
    for result in results:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False) if as_json else _line(result))


def _line(result: "FrameResult") -> str:
    """Writes a result for a person: the text, and each digit's confidence."""
    if not result.digits:
        return f"{result.source}: no digits"
    rest = iter(result.digits)
    shares = [" ".join(f"{100 * next(rest).confidence:.0f}%" for _ in range(count)) for count in result.lines]
    return f"{result.source}: {' | '.join(result.text.split())}   ({' | '.join(shares)})"


@click.command()
@_model_options
@click.option(
    "--source",
    default="0",
    show_default=True,
    metavar="SRC",
    help="Index, /dev/…, csi, URL, video, image, folder, scene.",
)
@click.option("--width", type=click.IntRange(1), help="Wanted width of the picture in pixels.")
@click.option("--height", type=click.IntRange(1), help="Wanted height of the picture in pixels.")
@click.option("--headless", is_flag=True, help="Show no window.")
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE", help="Record annotated video, .mp4 or .avi.")
@click.option("--jsonl", type=click.Path(path_type=Path), metavar="FILE|-", help="Write one JSON object a frame.")
@click.option(
    "--sheet", type=click.Path(path_type=Path), metavar="FILE", help="Write nine chosen frames as one picture."
)
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="End after so many frames.")
def live(
    model: str,
    threshold: float | None,
    runtime: str | None,
    threads: int,
    source: str,
    width: int | None,
    height: int | None,
    headless: bool,
    record: Path | None,
    jsonl: Path | None,
    sheet: Path | None,
    max_frames: int | None,
) -> None:
    """Reads digits from a live camera until it ends, q or Esc in the window, or Ctrl-C.

    Shows a window where there is a display. Sources are a camera's index or /dev/… path, csi for
    the Raspberry Pi's ribbon-cable camera, an http or rtsp URL, a video file, an image or a folder
    of them, and scene: handwriting on moving paper, drawn by edgits itself, with its truth known.

    \b
    edgits live
    edgits live --source scene --headless --max-frames 300 --record scene.mp4
    edgits live --source rtsp://camera.local/stream --headless --jsonl - | jq .text
    """  # noqa: D301 - click wants the backspace character itself
    from edgits.edge.recognizer import find_model

    find_model(model)
    with _stopped_by_signals() as stop, _Terminal(quiet_stdout=str(jsonl) == "-") as terminal:
        sinks = _sinks(record, jsonl, sheet)
        reader = _load(model, threshold, runtime, threads)

        from edgits.edge.camera import open_camera
        from edgits.edge.live import Summary, watch
        from edgits.edge.sinks import Window, why_no_window

        with open_camera(source, width=width, height=height, report=terminal.say) as camera:
            if not headless:
                if reason := why_no_window():
                    terminal.say(f"no window: {reason}")
                else:
                    sinks.append(Window())
            summary = Summary()
            loop = watch(camera, reader, sinks=sinks, max_frames=max_frames, ended=stop.is_set, report=terminal.fail)
            for shot in loop:
                summary.add(shot)
                terminal.show(shot)
    terminal.finish(str(summary), [path for path in (record, jsonl, sheet) if path and path.is_file()])


def _sinks(record: Path | None, jsonl: Path | None, sheet: Path | None) -> "list[Sink]":
    from edgits.edge.record import Recording
    from edgits.edge.sinks import JsonLines, Sheet

    sinks: list[Sink] = [Recording(record)] if record else []
    sinks += [Sheet(sheet)] if sheet else []
    return sinks + ([JsonLines(jsonl)] if jsonl else [])


def _load(model: str, threshold: float | None, runtime: str | None, threads: int) -> "Reader":
    from edgits.edge.reader import Reader
    from edgits.edge.recognizer import Recognizer

    return Reader(Recognizer.load(model, runtime=runtime, threads=threads), threshold=threshold)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Gives an event that Ctrl-C or SIGTERM sets; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    kept = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class _Terminal:
    """What `live` tells a person: one live line on a terminal, what happened, and the end."""

    def __init__(self, *, quiet_stdout: bool) -> None:
        self._to_stderr = quiet_stdout
        self._failed = False
        self._line: Any = None

    def __enter__(self) -> "_Terminal":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._line = Live(console=Console(stderr=True), refresh_per_second=8, transient=True)
            self._line.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._line is not None:
            self._line.stop()

    def say(self, message: str) -> None:
        """Prints a line above the live one; may be called from a thread."""
        if self._line is not None:
            self._line.console.print(f"edgits: {message}", markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(f"edgits: {message}", err=True)

    def fail(self, message: str) -> None:
        """Prints that an output was lost, for which the exit code is 2 at the end."""
        self._failed = True
        self.say(message)

    def show(self, shot: "Shot") -> None:
        """Renews the live line."""
        if self._line is None:
            return
        from rich.text import Text

        if shot.lost is not None:
            self._line.update(Text(shot.lost, style="bold red", overflow="ellipsis", no_wrap=True))
            return
        line = Text(overflow="ellipsis", no_wrap=True)
        line.append(shot.result.text.replace("\n", "  ") or "no digits", style="bold" if shot.result.digits else "dim")
        pace = f"{shot.fps:.1f} fps · " if shot.fps is not None else ""
        line.append(f"   {pace}{shot.result.latency_ms:.1f} ms · frame {shot.frame.index} · {shot.frame.source}", "dim")
        self._line.update(line)

    def finish(self, summary: str, written: list[Path]) -> None:
        """Prints the summary and where the files are."""
        for line in [summary, *(f"wrote {path}" for path in written)]:
            click.echo(line, err=self._to_stderr)
        if self._failed:
            click.get_current_context().exit(2)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Says what is installed, what camera and board are there, and what mends what is wrong.

    The exit code is 1 if `edgits live` can't run at all, else 0.
    """
    from edgits.edge import doctor as checks

    found = checks.examine()
    click.echo(json.dumps(checks.to_json(found), indent=2) if as_json else checks.render(found))
    if not checks.can_run(found):
        click.get_current_context().exit(1)
