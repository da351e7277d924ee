"""`edgits benchmark` and `edgits evaluate`: options in, tables and JSON out. Both measure elsewhere."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgits.benchmarks.options import Duration, gate_options
from edgits.edge.runtimes import RUNTIMES

if TYPE_CHECKING:
    from edgits.benchmarks.gates import Gates

_REPEAT, _BATCH, _SPOILT, _FRAMES = 1000, 32, 500, 120
_PIPE_WIDTH = 100  # where there is no terminal to ask


@click.command(epilog="Example: edgits benchmark runs/small --max-drop 0.5")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--data",
    metavar="DATA",
    help="Images to test on, as `edgits train` reads them.  [default: the run's held-back part]",
)
@click.option(
    "--reference",
    metavar="MODEL",
    help="What the others are compared with.  [default: the run's Keras model, else the first MODEL]",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice(RUNTIMES),
    help="Runtime to measure in; may be repeated.  [default: all that are installed]",
)
@click.option(
    "--threads",
    multiple=True,
    type=click.IntRange(1, 64),
    default=(1,),
    show_default="1",
    help="Threads of one inference; may be repeated.",
)
@click.option(
    "--repeat",
    type=click.IntRange(10, 1_000_000),
    default=_REPEAT,
    show_default=True,
    help="Inferences timed for each row.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 4096),
    default=_BATCH,
    show_default=True,
    help="Images in a batch, for throughput.",
)
@click.option(
    "--robustness",
    is_flag=True,
    help=f"Also read digits spoilt in MNIST-C's fifteen ways, five severities each, {_SPOILT:,} digits at most.",
)
@click.option(
    "--sustain",
    type=Duration(),
    default=0.0,
    metavar="TIME",
    help="Then run on for TIME, such as 10m or 90s, and watch speed, clock and temperature.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write JSON, CSV, Markdown, Performance.xlsx and plots there; by default nothing is written.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Measure the live reader instead: each stage's time, and the digits read, at sizes from 320x240 to 12 MP.",
)
@click.option(
    "--source",
    metavar="SRC",
    help="What --live reads: as `edgits live`; FILE.truth.jsonl beside a video says what is in it.  [default: scene]",
)
@click.option(
    "--frames", type=click.IntRange(10), metavar="N", help="Frames that --live reads of each size.  [default: 120]"
)
@gate_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the tables.")
def benchmark(
    models: tuple[str, ...],
    data: str | None,
    reference: str | None,
    runtimes: tuple[str, ...],
    threads: tuple[int, ...],
    repeat: int,
    batch: int,
    robustness: bool,
    sustain: float,
    out: Path | None,
    live: bool,
    source: str | None,
    frames: int | None,
    gates: "Gates",
    baseline: Path | None,
    as_json: bool,
) -> None:
    """Compares models: accuracy after conversion, latency, size, memory.

    MODEL is a run folder (its Keras model and all that was exported from it), a model file, anybody's .tflite or
    .onnx of digits among them, or the name of a shipped model. Each runs in each runtime in a process of its own;
    all are timed in turn, round by round. Accuracy takes the best of the ten digits, rejected or not. Where a
    quantized model is slower than its float original, its operations are timed to say why. With a limit that
    isn't held the exit code is 1.

    \b
    edgits benchmark runs/small --max-drop 0.5
    edgits benchmark --live small nano
    edgits benchmark --live --source walk.mp4 small
    """
    if live:
        _benchmark_live(models, source or "scene", frames or _FRAMES, as_json)
        return
    if source is not None or frames is not None:
        raise click.UsageError("--source and --frames are of --live")
    from edgits.benchmarks import report
    from edgits.benchmarks.baseline import load_baseline
    from edgits.benchmarks.choose import choose_data, choose_jobs, choose_models
    from edgits.benchmarks.machine import describe_machine
    from edgits.benchmarks.measure import Plan, measure

    jobs, left_out = choose_jobs(choose_models(models, reference), runtimes, tuple(dict.fromkeys(threads)))
    gates.check_names([job.model for job in jobs])
    if gates.compare and len(jobs) < 2:
        raise click.UsageError("a limit that compares needs two models or more; give a --reference")
    if out is not None:
        report.check_out(out)
    earlier = load_baseline(baseline, describe_machine()) if baseline else None
    images = choose_data(models, data)
    from rich.console import Console

    plan = Plan(repeat, batch, _SPOILT if robustness else 0, sustain)
    with Console(stderr=True).status("starting") as status:
        outcome = measure(jobs, images, plan, left_out=left_out, on_step=status.update)
        written = report.write(out, outcome) if out is not None else []
    if as_json:
        click.echo(json.dumps(report.benchmark_json(outcome)))
    else:
        from edgits.benchmarks.table import print_benchmark

        print_benchmark(Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH), outcome)
        for path in written:
            click.echo(f"report  {path}")
    gates.check(outcome, earlier)


def _benchmark_live(models: tuple[str, ...], source: str, frames: int, as_json: bool) -> None:
    from rich.console import Console

    from edgits.benchmarks.live import measure_live
    from edgits.benchmarks.live_table import print_live
    from edgits.benchmarks.machine import describe_machine, watched

    with Console(stderr=True).status("starting") as status, watched() as states:
        rows = measure_live(models, source, frames=frames, on_step=status.update)
    machine = describe_machine() | states | {"meter": None}
    if as_json:
        click.echo(json.dumps({"source": source, "rows": [row.to_json() for row in rows], "machine": machine}))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        print_live(console, rows, machine, source=source)


@click.command(epilog="Example: edgits evaluate small digits/ --out report")
@click.argument("model")
@click.argument("data")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write report.txt, confusion.png and Performance.xlsx there; by default nothing is written.",
)
def evaluate(model: str, data: str, as_json: bool, out: Path | None) -> None:
    """Tests MODEL on the labelled images DATA: accuracy, figures of each class, confusion matrix.

    MODEL is a .keras, .tflite or .onnx file, a run folder, or the name of a shipped model. DATA is whatever
    `edgits train` reads. Accuracy takes the best of the ten digits for every image; the share that the model
    would reject as no digit is given beside it.
    """
    from edgits.benchmarks import evaluation
    from edgits.train.report import accuracy_text, evaluation_json, report_text

    if out is not None:
        evaluation.check_out(out)
    outcome = evaluation.evaluate_model(model, data)
    written = evaluation.write(out, outcome) if out is not None else []
    if as_json:
        about = {"model": model, "data": data, "runtime": outcome.runtime, "rejected": round(outcome.rejected, 6)}
        click.echo(json.dumps(about | evaluation_json(outcome.evaluation)))
        return
    click.echo(f"accuracy {accuracy_text(outcome.evaluation)}")
    click.echo(f"rejected {outcome.rejected:.2%} as no digit, counted above by their best digit\n")
    click.echo(report_text(outcome.evaluation))
    for path in written:
        click.echo(f"report  {path}")
