"""Runs models side by side, each in a process of its own, in rounds so that drift hits all alike.

It judges answers against the truth and a reference; what to run it is told.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.benchmarks.children import Child, Inputs, Job, opened
from edgits.benchmarks.machine import describe_machine, watched
from edgits.benchmarks.op_times import OperationTime
from edgits.benchmarks.power import Meter
from edgits.benchmarks.robustness import Robustness, measure_robustness
from edgits.benchmarks.rows import BenchmarkRow, Cost, Latency, compare
from edgits.benchmarks.sustain import Sustained, sustain
from edgits.benchmarks.why import Explanation, explain, slower_than_float
from edgits.dataset import Dataset

ROUNDS = 10
_ENERGY_S = 1.0

Step = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to measure of every model.

    Attributes:
        repeats: Inferences timed, at least `ROUNDS`.
        batch: Images in a batch, for throughput.
        spoilt: Digits to spoil in every way; 0 for no robustness.
        sustain_s: Seconds to run on in all; 0 for none.
    """

    repeats: int = 1000
    batch: int = 32
    spoilt: int = 0
    sustain_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The outcome.

    Attributes:
        rows: One a job that ran, in the order of the jobs; the first is the reference.
        left_out: Why jobs were left out.
        data: The images.
        answers: int64 (N,) a row, the digits read.
        samples: Microseconds of every inference, an array a row.
        conventions: How models without a card were found to want their images, model → in words.
        explanations: Why quantized rows are slower than float ones.
        robustness: How models take spoilt digits; None where it wasn't asked for.
        sustained: Minutes of work; None likewise.
        machine: What `describe_machine` says, ``before``, ``during``, ``after``, and the ``meter`` of energy.
    """

    rows: list[BenchmarkRow]
    left_out: list[str]
    data: Dataset
    answers: list[npt.NDArray[np.int64]]
    samples: list[npt.NDArray[np.float64]]
    conventions: dict[str, str]
    explanations: list[Explanation]
    robustness: Robustness | None
    sustained: Sustained | None
    machine: dict[str, Any]


@dataclass
class _Times:
    """What one child took."""

    rounds: list[list[float]] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    energy_mj: float | None = None


def measure(
    jobs: Sequence[Job], data: Dataset, plan: Plan, *, left_out: Sequence[str] = (), on_step: Step = lambda _: None
) -> Benchmark:
    """Measures every job.

    Args:
        jobs: What to measure; the first that runs is the reference.
        data: Raw images and their labels, one at least.
        plan: How much.
        left_out: Why other jobs aren't among these.
        on_step: Called with a few words at the beginning of every step.

    Returns:
        A row a job, and what else the plan asks for.

    Raises:
        ModelError: A model is damaged, crashes its runtime or answers NaN.
        MissingExtraError: A runtime that was asked for doesn't work, or none does.
    """
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="edgits-") as name, opened(jobs, data, Path(name), on_step) as found:
        children, failed = found
        folder, inputs = Path(name), Inputs(data.images, Path(name))
        for child in children:
            inputs.file(child)
        with watched() as states:
            times = _time(children, inputs, plan, on_step)
            machine["meter"] = _measure_energy(children, inputs, times, on_step)
        answers = []
        for child in children:
            on_step(f"reading {len(data):,} images with {child.job.model.name} in {child.job.runtime}")
            answers.append(np.array(child.ask("read", inputs=inputs.file(child))["digits"], np.int64))
        rows = _rows(children, times, answers, data.labels, plan.batch)
        return Benchmark(
            rows=rows,
            left_out=[*left_out, *failed],
            data=data,
            answers=answers,
            samples=[np.concatenate(each.rounds) for each in times],
            conventions={
                row.model: child.about["convention"]
                for row, child in zip(rows, children, strict=True)
                if child.about["convention"]
            },
            explanations=_explain(rows, children, inputs, machine["features"], on_step),
            robustness=_spoil(rows, children, data, plan.spoilt, folder, on_step),
            sustained=_sustain(rows, children, inputs, plan.sustain_s, on_step),
            machine=machine | states,
        )


def _time(children: Sequence[Child], inputs: Inputs, plan: Plan, on_step: Step) -> list[_Times]:
    """Times all in turn, forward and backward, so that none always follows the same one."""
    times = [_Times() for _ in children]
    batches = max(1, plan.repeats // (ROUNDS * plan.batch))
    for number in range(ROUNDS):
        on_step(f"timing, round {number + 1} of {ROUNDS}")
        count = plan.repeats * (number + 1) // ROUNDS - plan.repeats * number // ROUNDS
        pairs = list(zip(children, times, strict=True))
        for child, taken in pairs if number % 2 == 0 else pairs[::-1]:
            answer = child.ask("time", inputs=inputs.file(child), repeats=count)
            taken.rounds.append(answer["us"])
            taken.calls += answer["call_us"]
        for child, taken in pairs if number % 2 == 0 else pairs[::-1]:
            took = child.ask("throughput", inputs=inputs.file(child), batch=plan.batch, repeats=batches)["us"]
            taken.speeds.append(1e6 * plan.batch / float(np.median(took)))
    return times


def _measure_energy(children: Sequence[Child], inputs: Inputs, times: Sequence[_Times], on_step: Step) -> str:
    """Measures what an inference takes where the board has a meter; returns what measures."""
    meter = Meter()
    if meter.source:
        for child, taken in zip(children, times, strict=True):
            on_step(f"energy of {child.job.model.name} in {child.job.runtime}")
            with meter.measured() as joules:
                count = len(child.ask("run_for", inputs=inputs.file(child), seconds=_ENERGY_S)["us"])
            used = joules()
            taken.energy_mj = None if used is None else 1000 * used / count
    return meter.source


def _rows(
    children: Sequence[Child],
    times: Sequence[_Times],
    answers: Sequence[npt.NDArray[np.int64]],
    labels: npt.NDArray[np.int64],
    batch: int,
) -> list[BenchmarkRow]:
    names = _short_names([child.job.model for child in children])
    rows: list[BenchmarkRow] = []
    for child, taken, found in zip(children, times, answers, strict=True):
        cost = Cost(
            batch=batch,
            images_per_s=float(np.median(taken.speeds)),
            energy_mj=taken.energy_mj,
            **{name: child.about[name] for name in ("load_ms", "first_ms", "memory_mb")},
        )
        said = ("format", "runtime", "version", "parameters", "macs", "delegate", "quantized")
        row = BenchmarkRow(
            model=names[child.job.model],
            path=str(child.job.model),
            threads=child.job.threads,
            bytes=child.job.model.stat().st_size,
            n=len(labels),
            correct=int((found == labels).sum()),
            latency=Latency.of(taken.rounds, taken.calls),
            cost=cost,
            comparison=compare(found, answers[0], labels) if rows else None,
            **{name: child.about[name] for name in said},
        )
        rows.append(row)
    return rows


def _short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Names files by their last parts, as few as tell them apart."""
    wanted = dict.fromkeys(paths)
    for parts in range(1, max(len(path.parts) for path in wanted) + 1):
        names = {path: "/".join(path.parts[-parts:]) for path in wanted}
        if max(Counter(names.values()).values()) == 1:
            break
    return names


def _explain(
    rows: Sequence[BenchmarkRow], children: Sequence[Child], inputs: Inputs, features: Sequence[str], on_step: Step
) -> list[Explanation]:
    kept: dict[int, list[OperationTime]] = {}

    def profile(place: int) -> list[OperationTime]:
        if place not in kept:
            on_step(f"timing the operations of {rows[place].name}")
            found = children[place].ask("profile", inputs=inputs.file(children[place]))["operations"]
            kept[place] = [OperationTime(**each | {"types": tuple(each["types"])}) for each in found]
        return kept[place]

    return [
        explain(rows[mine], rows[other], profile(mine), profile(other), features)
        for mine, other in slower_than_float(rows)
    ]


def _spoil(
    rows: Sequence[BenchmarkRow], children: Sequence[Child], data: Dataset, count: int, folder: Path, on_step: Step
) -> Robustness | None:
    """Measures each file once: it answers the same whatever the threads, and but for rounding in every runtime."""
    if not count:
        return None
    first = [place for place, row in enumerate(rows) if row.model not in {other.model for other in rows[:place]}]
    chosen = data.take(np.unique(np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)))
    return measure_robustness(
        [children[place] for place in first], [rows[place].model for place in first], chosen, folder, on_step
    )


def _sustain(
    rows: Sequence[BenchmarkRow], children: Sequence[Child], inputs: Inputs, seconds: float, on_step: Step
) -> Sustained | None:
    return sustain(children, [row.name for row in rows], inputs, seconds, on_step) if seconds else None
