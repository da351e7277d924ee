"""The commands of the edge. Thin; loads OpenCV and a runtime only when one runs."""

import contextlib
import functools
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgits.edge.network import Network, network_options
from edgits.edge.options import (
    as_region,
    camera_options,
    headless_option,
    model_option,
    model_options,
    open_chosen,
    trust_option,
)
from edgits.edge.outputs import Outputs, output_options
from edgits.edge.terminal import Terminal, stopped_by_signals
from edgits.errors import OutputError

if TYPE_CHECKING:
    from edgits.edge.reader import Reader
    from edgits.edge.results import FrameResult
    from edgits.edge.sinks import Shot
    from edgits.edge.view import Region


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@model_options
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
    trust: bool,
    as_json: bool,
    annotate: Path | None,
) -> None:
    """Reads the digits in photos, or in crops of single digits.

    An image of at most 64 pixels in which no digit is found is read as one digit that fills it;
    in a larger one a single digit may touch all sides. A photo that lies on its side or upside down
    is turned where that shows clearly more digits.
    All images are read before anything is printed or written: if one can't be, it is named,
    nothing is printed, and the exit code is 2.

    \b
    edgits predict photo.jpg
    edgits predict *.png --json > readings.jsonl
    """
    from edgits.edge import photo

    results = photo.read_photos(_load(model, threshold, runtime, threads, trust), images)
    if annotate is not None:
        photo.annotate(results, annotate)
    for result in results:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False) if as_json else _line(result))


def _line(result: "FrameResult") -> str:
    """Writes a result for a person: the numbers, each digit's confidence, and how the image was turned, if it was."""
    if not result.digits:
        return f"{result.source}: no digits"
    rest = iter(result.digits)
    shares = [" ".join(f"{100 * next(rest).confidence:.0f}%" for _ in range(count)) for count in result.lines]
    text = " | ".join(" ".join(line) for line in result.numbers)
    turned = f"   turned by {result.turn.rotate}°" if result.turn.rotate else ""
    return f"{result.source}: {text}   ({' | '.join(shares)}){turned}"


@click.command()
@model_options
@camera_options
@click.option(
    "--region",
    metavar="X,Y,W,H",
    callback=as_region,
    help="Read this part of the picture only: pixels as it is shown, or shares from 0 to 1.",
)
@headless_option
@output_options
@network_options
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="End after so many frames.")
def live(
    model: str,
    threshold: float | None,
    runtime: str | None,
    threads: int,
    trust: bool,
    region: "Region | None",
    headless: bool,
    max_frames: int | None,
    outputs: Outputs,
    network: Network,
    **camera_choice: Any,
) -> None:
    """Reads digits from a live camera until it ends, q or Esc in the window, or Ctrl-C.

    Shows a window where there is a display. Sources are a camera's index or /dev/… path, csi for
    the Raspberry Pi's ribbon-cable camera, an http or rtsp URL, a video file, an image or a folder
    of them, and scene: handwriting on moving paper, drawn by edgits itself, with its truth known.

    \b
    edgits live
    edgits live --source scene --headless --max-frames 300 --record scene.mp4
    edgits live --source rtsp://camera.local/stream --headless --jsonl - | jq .text
    edgits live --web 0.0.0.0:8080 --corrections digits --mqtt broker.local
    """
    from edgits.edge.recognizer import Recognizer, find_model

    find_model(model)
    network.check()
    with stopped_by_signals() as stop, Terminal(quiet_stdout=outputs.to_stdout) as terminal:
        sinks = outputs.sinks()
        load = functools.partial(Recognizer.load, runtime=runtime, threads=threads, trust=trust)

        from edgits.edge.live import Summary, watch
        from edgits.edge.service import Watchdog
        from edgits.edge.sinks import Window, why_no_window
        from edgits.edge.steer import Choice, Steering

        steering = Steering(load(model), Choice(model, threshold, region), load=load)
        with network.sinks(steering, terminal.say) as told, open_chosen(terminal.say, **camera_choice) as camera:
            sinks += told
            if not headless:
                if not (reason := why_no_window()):
                    sinks.append(Window())
                elif not network.web:
                    terminal.say(f"no window: {reason}")
            summary, watchdog = Summary(), Watchdog()

            def ended() -> bool:
                watchdog.beat()
                return stop.is_set()

            loop = watch(
                camera,
                steering,
                settings=steering.settings,
                sinks=sinks,
                max_frames=max_frames,
                ended=ended,
                report=terminal.fail,
            )
            for shot in loop:
                summary.add(shot)
                terminal.show(*_live_line(shot))
    terminal.finish(str(summary), outputs.written())


def _load(model: str, threshold: float | None, runtime: str | None, threads: int, trust: bool) -> "Reader":
    from edgits.edge.reader import Reader
    from edgits.edge.recognizer import Recognizer

    recognizer = Recognizer.load(model, runtime=runtime, threads=threads, trust=trust)
    return Reader(recognizer, threshold=threshold)


def _live_line(shot: "Shot") -> list[tuple[str, str]]:
    """Returns what a shot comes to on the live line."""
    if shot.lost is not None:
        return [(shot.lost, "bold red")]
    from edgits.edge.overlay import OLD_MS

    text = shot.result.text.replace("\n", "  ") or "no digits"
    pace = f"{shot.fps:.1f} fps · " if shot.fps is not None else ""
    facts = f"   {pace}{shot.result.latency_ms:.1f} ms · frame {shot.frame.index} · {shot.frame.source}"
    age = shot.result.age_ms or 0.0
    old = f" · {age / 1000:.1f} s old" if age > OLD_MS else ""
    return [(text, "bold" if shot.result.digits else "dim"), (facts, "dim"), (old, "yellow")]


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@camera_options
@click.option(
    "--label",
    type=click.Choice([*"0123456789", "truth"]),
    help="Save every steady mark as this digit, without keys; truth: as what the scene knows it to be.",
)
@click.option("--max-images", type=click.IntRange(1), metavar="N", help="End after so many saved images.")
@headless_option
@model_option
@trust_option
def collect(
    out: Path,
    label: str | None,
    max_images: int | None,
    headless: bool,
    model: str,
    trust: bool,
    source: str,
    **camera_choice: Any,
) -> None:
    """Collects labelled digits from a camera into the folder OUT, for `edgits train`.

    Show a digit and press its key, 0 to 9: the mark nearest the middle, framed in amber, is saved as
    OUT/7/00001.png. u or backspace undoes the last one, q or Esc ends. With --label no key is needed:
    hold digits of one kind into the picture, one after another. Blurred images and near-duplicates
    are left out and counted. A folder begun earlier is gone on with.

    \b
    edgits collect digits
    edgits collect digits --label 7 --headless --max-images 50
    edgits train digits --recipe small        # what to run next
    """
    if label == "truth" and source.partition(":")[0] != "scene":
        raise click.UsageError(f"only the scene knows its truth, the source '{source}' doesn't; give --label 0 to 9")
    if headless and label is None:
        raise click.UsageError("without a window there are no keys; give --label with the digit that is shown")
    from edgits.edge.collection import Collection
    from edgits.edge.recognizer import Recognizer, find_model
    from edgits.edge.sinks import why_no_window

    find_model(model)
    reason = None if headless else why_no_window("--label with the digit that is shown")
    if reason and label is None:
        raise OutputError(f"no window: {reason}")
    with stopped_by_signals() as stop, Terminal() as terminal:
        if reason:
            terminal.say(f"no window: {reason}")
        collection = Collection(out, report=terminal.say)
        recognizer = Recognizer.load(model, trust=trust)

        from edgits.edge import collect as loop
        from edgits.edge.camera import is_still
        from edgits.edge.collect_view import CollectWindow

        chosen: loop.Label | None = "truth" if label == "truth" else int(label) if label else None
        steady = 1 if is_still(source) else loop.STEADY_FRAMES
        session = loop.Session(collection, recognizer, label=chosen, steady=steady, most=max_images)
        with open_chosen(terminal.say, source=source, **camera_choice) as camera, contextlib.ExitStack() as stack:
            window = None if headless or reason else stack.enter_context(contextlib.closing(CollectWindow()))
            for view in loop.collect(camera, session, screen=window, ended=stop.is_set):
                terminal.show((f"{view.note}   ", "bold"), (_counts(view.counts), "dim"))
    misread = sum(saved.misread for saved in collection.saved)
    click.echo(f"{collection} · {model} reads {misread} of the saved otherwise")
    click.echo(f"{out}   {_counts(collection.counts)}")
    if any(collection.counts):
        click.echo(f"next    edgits train {shlex.quote(str(out))} --recipe small")


def _counts(counts: Sequence[int]) -> str:
    return "  ".join(f"{digit}: {count}" for digit, count in enumerate(counts))


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
