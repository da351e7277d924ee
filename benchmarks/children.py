"""Processes that have a model loaded each, and how they are asked. What is asked they decide not."""

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

from edgits.dataset import Dataset
from edgits.errors import MissingExtraError, ModelError
from edgits.normalize import Normalization

_WORKER = (sys.executable, "-m", "edgits.benchmarks.worker")
_PROBE = 200  # images by which a model without a card is understood


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


@dataclass
class Child:
    """A process that has a model loaded.

    Attributes:
        job: Which.
        about: What it said of itself, see `edgits.benchmarks.worker`.
    """

    job: Job
    process: subprocess.Popen[str]
    errors: IO[str]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def normalization(self) -> Normalization:
        """How the model wants its images."""
        return Normalization(**self.about["normalization"])

    def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """Asks for something and waits for the answer.

        Raises:
            ModelError: The process refused or died.
            MissingExtraError: Its runtime doesn't work.
        """
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"do": what} | request) + "\n")
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


@contextlib.contextmanager
def opened(
    jobs: Sequence[Job], data: Dataset, folder: Path, on_step: Callable[[str], None]
) -> Iterator[tuple[list[Child], list[str]]]:
    """Starts a process a job; all are ended whatever happens.

    Args:
        jobs: What to load.
        data: Labelled images.
        folder: A place for files.
        on_step: Called with a few words before each.

    Yields:
        The processes whose runtime works, in the order of the jobs, and why others were left out.

    Raises:
        ModelError: A model is damaged or crashes its runtime.
        MissingExtraError: A runtime that was asked for doesn't work, or none does.
    """
    probe = folder / "probe.npz"
    spread = np.linspace(0, len(data) - 1, min(_PROBE, len(data))).astype(int)
    np.savez(probe, images=data.images[spread], labels=data.labels[spread])
    children, left_out = [], []
    with contextlib.ExitStack() as stack:
        for job in jobs:
            on_step(f"loading {job.model.name} in {job.runtime}")
            child = stack.enter_context(_started(job))
            try:
                child.ask("load", model=str(job.model), runtime=job.runtime, threads=job.threads)
                child.about = child.ask("describe", probe=str(probe))
                children.append(child)
            except MissingExtraError as error:
                if not job.optional:
                    raise
                left_out.append(f"{job.model.name} in {job.runtime}: {error}")
        if not children:
            raise MissingExtraError(f"no runtime works: {left_out[0]}")
        yield children, left_out


class Inputs:
    """Images as each normalisation makes them, made once.

    Args:
        images: uint8 (N, H, W).
        folder: Where the files go.
        name: Beginning of their names.
    """

    def __init__(self, images: Any, folder: Path, name: str = "inputs") -> None:
        self._images, self._folder, self._name = images, folder, name
        self._made: dict[Normalization, Path] = {}

    def file(self, child: Child) -> str:
        """Returns the file that a child is to read."""
        normalization = child.normalization
        if normalization not in self._made:
            path = self._folder / f"{self._name}-{len(self._made)}.npy"
            np.save(path, normalization.batch(self._images))
            self._made[normalization] = path
        return str(self._made[normalization])

    def remove(self) -> None:
        """Removes the files."""
        for path in self._made.values():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _started(job: Job) -> Iterator[Child]:
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
            yield Child(job, process, errors)
        finally:
            process.kill()
            process.communicate()
