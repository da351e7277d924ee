"""`edgits benchmark` and `edgits evaluate`: options in, tables and JSON out. Both measure elsewhere."""

import json
import sys
from pathlib import Path

import click

from edgits.edge.runtimes import RUNTIMES

_REPEAT = 1000
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
    "--max-drop",
    type=click.FloatRange(0, 100),
    metavar="PP",
    help="Fail with exit code 1 if a model loses more percentage points of accuracy than this.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def benchmark(
    models: tuple[str, ...],
    data: str | None,
    reference: str | None,
    runtimes: tuple[str, ...],
    threads: tuple[int, ...],
    repeat: int,
    max_drop: float | None,
    as_json: bool,
) -> None:
    """Compares models: accuracy after conversion, latency, size, memory.

    MODEL is a run folder (its Keras model and all that was exported from it), a model file, anybody's .tflite or
    .onnx of digits among them, or the name of a shipped model. Each runs in each runtime in a process of its own;
    all are timed in turn, round by round. Accuracy takes the best of the ten digits, rejected or not.
    """
    from edgits.benchmarks.choose import choose_data, choose_jobs, choose_models
    from edgits.benchmarks.machine import describe_machine, machine_state
    from edgits.benchmarks.measure import measure
    from edgits.benchmarks.rows import check_drop

    jobs, left_out = choose_jobs(choose_models(models, reference), runtimes, tuple(dict.fromkeys(threads)))
    if max_drop is not None and len(jobs) < 2:
        raise click.UsageError("--max-drop needs two models or more to compare; give a --reference")
    images = choose_data(models, data)
    from rich.console import Console

    machine = describe_machine() | {"before": machine_state()}
    progress = Console(stderr=True)
    with progress.status("starting") as status:
        outcome = measure(jobs, images, repeats=repeat, on_step=status.update)
    machine["after"] = machine_state()
    if as_json:
        click.echo(json.dumps({"rows": [row.to_json() for row in outcome.rows], "machine": machine}))
    else:
        from edgits.benchmarks.table import print_benchmark

        console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        print_benchmark(console, outcome.rows, machine, left_out=[*left_out, *outcome.left_out])
    if max_drop is not None:
        check_drop(outcome.rows, max_drop)


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
