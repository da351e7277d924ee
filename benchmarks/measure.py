"""Runs models side by side, each in a process of its own, in rounds so that drift hits all alike.

It judges answers against the truth and a reference; what to run it is told.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgits.benchmarks.rows import BenchmarkRow, Latency, compare
from edgits.dataset import Dataset
from edgits.errors import MissingExtraError, ModelError
from edgits.normalize import Normalization

ROUNDS = 10
_WORKER = (sys.executable, "-m", "edgits.benchmarks.worker")


@dataclass(frozen=True)
class Job:
    """What a row shall measure.

    Attributes:
        model: The model file.
        runtime: Name of the runtime.
        threads: Threads of one inference.
        optional: Whether the row may be left out where the runtime turns out not to work.
    """

    model: Path
    runtime: str
    threads: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Benchmark:
    """The outcome.

    Attributes:
        rows: One a job that ran, in the order of the jobs; the first is the reference.
        left_out: Why jobs were left out.
    """

    rows: list[BenchmarkRow]
    left_out: list[str]


@dataclass
class _Child:
    """A process that has a model loaded."""

    job: Job
    process: subprocess.Popen[str]
    errors: IO[str]
    about: dict[str, Any] = field(default_factory=dict)
    inputs: str = ""
    rounds: list[list[float]] = field(default_factory=list)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ModelError(self._crash())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise (MissingExtraError if answer["missing"] else ModelError)(answer["error"])
        return answer

    def _crash(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        said = (self.errors.read().strip().splitlines() or ["no message"])[-1]
        return (
            f"{self.job.runtime} crashed on '{self.job.model}' (exit code {code}: {said}); "
            "leave this runtime out with --runtime, or export the model again"
        )


def measure(
    jobs: Sequence[Job],
    data: Dataset,
    *,
    repeats: int = 1000,
    on_step: Callable[[str], None] = lambda _: None,
) -> Benchmark:
    """Measures every job.

    Args:
        jobs: What to measure; the first that runs is the reference.
        data: Raw images and their labels, one at least.
        repeats: Inferences timed for each job, at least `ROUNDS`.
        on_step: Called with a few words at the beginning of every step.

    Returns:
        A row a job.

    Raises:
        ModelError: A model is damaged, crashes its runtime or answers NaN.
        MissingExtraError: A runtime that was asked for doesn't work, or none does.
    """
    left_out: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgits-")))
        children = []
        for job in jobs:
            on_step(f"loading {job.model.name} in {job.runtime}")
            child = stack.enter_context(_child(job))
            try:
                child.about = child.ask(model=str(job.model), runtime=job.runtime, threads=job.threads)
                children.append(child)
            except MissingExtraError as error:
                if not job.optional:
                    raise
                left_out.append(f"{job.model.name} in {job.runtime}: {error}")
        if not children:
            raise MissingExtraError(f"no runtime works: {left_out[0]}")
        inputs = _Inputs(data, folder)
        for child in children:
            child.inputs = inputs.file(Normalization(**child.about["normalization"]))
        _time(children, repeats, on_step)
        answers = []
        for child in children:
            on_step(f"reading {len(data)} images with {child.job.model.name} in {child.job.runtime}")
            answers.append(np.array(child.ask(inputs=child.inputs)["digits"], np.int64))
    rows = [
        _row(child, answer, answers[0] if child is not children[0] else None, data.labels)
        for child, answer in zip(children, answers, strict=True)
    ]
    return Benchmark(rows, left_out)


def _time(children: Sequence[_Child], repeats: int, on_step: Callable[[str], None]) -> None:
    """Times all in turn, forward and backward, so that none always follows the same one."""
    for number in range(ROUNDS):
        on_step(f"timing, round {number + 1} of {ROUNDS}")
        count = repeats * (number + 1) // ROUNDS - repeats * number // ROUNDS
        for child in children if number % 2 == 0 else reversed(children):
            child.rounds.append(child.ask(inputs=child.inputs, repeats=count)["us"])


class _Inputs:
    """The images as each normalisation makes them, made once."""

    def __init__(self, data: Dataset, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._made: dict[Normalization, str] = {}

    def file(self, normalization: Normalization) -> str:
        if normalization not in self._made:
            path = self._folder / f"inputs-{len(self._made)}.npy"
            np.save(path, normalization.batch(self._data.images))
            self._made[normalization] = str(path)
        return self._made[normalization]


@contextlib.contextmanager
def _child(job: Job) -> Iterator[_Child]:
    """Starts a process, and ends it whatever happens."""
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            _WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        try:
            yield _Child(job, process, errors)
        finally:
            process.kill()
            process.communicate()


def _row(
    child: _Child,
    answers: npt.NDArray[np.int64],
    reference: npt.NDArray[np.int64] | None,
    labels: npt.NDArray[np.int64],
) -> BenchmarkRow:
    job, about = child.job, child.about
    took = np.concatenate(child.rounds)
    medians = [float(np.median(part)) for part in child.rounds]
    return BenchmarkRow(
        model=job.model.name,
        path=str(job.model),
        format=about["format"],
        runtime=about["runtime"],
        version=about["version"],
        threads=job.threads,
        bytes=job.model.stat().st_size,
        parameters=about["parameters"],
        macs=about["macs"],
        n=len(labels),
        correct=int((answers == labels).sum()),
        latency=Latency(
            p50_us=float(np.percentile(took, 50)),
            p95_us=float(np.percentile(took, 95)),
            rounds_us=(min(medians), max(medians)),
            repeats=len(took),
        ),
        load_ms=about["load_ms"],
        memory_mb=about["memory_mb"],
        comparison=None if reference is None else compare(answers, reference, labels),
    )
