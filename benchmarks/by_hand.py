"""Checks the benchmark's clock: `python -m edgits.benchmarks.by_hand MODEL.tflite…` prints its median over one by hand.

By hand is LiteRT's `Interpreter.invoke` in a bare loop of this process, in between the benchmark's rounds; it
shares nothing with the benchmark but the file and the machine.
"""

import importlib
import statistics
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgits.benchmarks.children import Job
from edgits.benchmarks.measure import ROUNDS, Plan, measure
from edgits.dataset import Dataset

_INFERENCES, _WARM_UP = 2000, 20


def open_by_hand(path: Path) -> Any:
    """Loads a `.tflite` file into LiteRT's interpreter, with an empty image."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    return interpreter


def microseconds(interpreter: Any) -> list[float]:
    """Returns the microseconds of a round's inferences."""
    took = []
    for _ in range(_WARM_UP + _INFERENCES // ROUNDS):
        began = time.perf_counter_ns()
        interpreter.invoke()
        took.append((time.perf_counter_ns() - began) / 1000)
    return took[_WARM_UP:]


@click.command()
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(models: tuple[Path, ...]) -> None:
    """Prints, for each of MODELS, the benchmark's median latency over that timed by hand."""
    images = Dataset(np.zeros((64, 28, 28), np.uint8), np.zeros(64, np.int64))
    interpreters = [open_by_hand(path) for path in models]
    took: list[list[float]] = [[] for _ in models]

    def time_by_hand(step: str) -> None:
        if step.startswith("timing, round"):
            for interpreter, times in zip(interpreters, took, strict=True):
                times += microseconds(interpreter)

    jobs = [Job(path, "litert") for path in models]
    for row, times in zip(measure(jobs, images, Plan(_INFERENCES), on_step=time_by_hand).rows, took, strict=True):
        hand, ours = statistics.median(times), row.latency.p50_us
        click.echo(f"{row.model}: {ours:.1f} µs, by hand {hand:.1f} µs, ratio {ours / hand:.3f}")


if __name__ == "__main__":
    main()
