"""One model in one runtime, in a process of its own: `python -m edgits.benchmarks.worker`.

It is asked by `edgits.benchmarks.children` with one JSON object a line on standard input, and
answers each with one on standard output. It knows nothing of the other models.
"""

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edgits.benchmarks.answers import digits
from edgits.benchmarks.foreign import Adapted, describe_any, open_any
from edgits.benchmarks.graph import Graph, onnx_graph, tflite_graph
from edgits.benchmarks.op_times import onnx_times, tflite_times
from edgits.dataset import Dataset
from edgits.edge.recognizer import Recognizer
from edgits.edge.runtimes import Floats, Runtime, TFLiteRuntime, quantize
from edgits.errors import EdgitsError, MissingExtraError

# After other rows have had the processor, its caches and predictors hold nothing of this model.
_WARM_UP = 20
_IMAGES = 64


class Worker:
    """A loaded model that answers and times itself; `describe` is asked for first.

    Args:
        model: The model file.
        runtime: Name of the runtime.
        threads: Threads of one inference.
    """

    def __init__(self, model: str, runtime: str, threads: int) -> None:
        self._path, self._threads = Path(model), threads
        began = time.perf_counter()
        self._recognizer: Recognizer
        self._runtime, self._card = open_any(self._path, runtime=runtime, threads=threads)
        loaded = time.perf_counter()
        self._run_one()
        self._load_ms, self._first_ms = 1000 * (loaded - began), 1000 * (time.perf_counter() - loaded)
        self._memory_mb = _peak_memory_mb()
        self._convention = ""

    @property
    def _inner(self) -> Runtime:
        return self._runtime.inner if isinstance(self._runtime, Adapted) else self._runtime

    def describe(self, probe: str) -> dict[str, Any]:
        """Says what the model is and what loading it took.

        Args:
            probe: A few labelled images, `.npz`, to find out how a model without a card wants them.
        """
        if self._card is None:
            with np.load(probe) as kept:
                self._card = describe_any(self._path, self._runtime, Dataset(kept["images"], kept["labels"]))
            if isinstance(self._runtime, Adapted):
                self._convention = self._runtime.convention.text()
        self._recognizer = Recognizer(self._runtime, self._card)
        self._run_one()  # an interpreter's shapes are those of its last batch
        graph = self._graph()
        return {
            "runtime": self._runtime.name,
            "version": self._runtime.version,
            "name": self._card.name,
            "format": self._card.format,
            "parameters": self._card.parameters or graph.parameters,
            "macs": self._card.macs or graph.macs,
            "quantized": graph.quantized,
            "delegate": graph.delegate_text(),
            "convention": self._convention,
            "normalization": self._card.normalization.to_json(),
            "load_ms": self._load_ms,
            "first_ms": self._first_ms,
            "memory_mb": self._memory_mb,
        }

    def _run_one(self) -> None:
        self._runtime.run(np.zeros((1, *self._runtime.input.shape), np.float32))

    def _graph(self) -> Graph:
        if isinstance(self._inner, TFLiteRuntime):
            return tflite_graph(self._inner.interpreter)
        if self._path.suffix == ".onnx":
            return onnx_graph(self._path.read_bytes())
        return Graph((), 0, 0, quantized=False)

    def read(self, inputs: str) -> dict[str, Any]:
        """Returns the digits read in the file `inputs`, a float32 .npy (N, size, size, 1)."""
        return {"digits": digits(self._recognizer, np.load(inputs, mmap_mode="r")).tolist()}

    def time(self, inputs: str, repeats: int) -> dict[str, Any]:
        """Returns the microseconds that `repeats` inferences of one image took, and those of whole calls.

        A TFLite interpreter is timed inside a call: the call also quantizes and copies. Other runtimes
        give no such inside; there both are the same.
        """
        images, invoke = self._images(inputs), self._invoke()
        took, calls = [], []
        gc.disable()
        for i in range(-_WARM_UP, repeats):
            image = images[i % len(images)][None]
            calls.append(_microseconds(partial(self._runtime.run, image)))
            took.append(_microseconds(invoke) if invoke else calls[-1])
        gc.enable()
        return {"us": took[_WARM_UP:], "call_us": calls[_WARM_UP:]}

    def run_for(self, inputs: str, seconds: float) -> dict[str, Any]:
        """Infers for some seconds, and once at least; returns the microseconds that each inference took."""
        image = self._images(inputs)[:1]
        self._runtime.run(image)
        call = self._invoke() or partial(self._runtime.run, image)
        took = [_microseconds(call)]
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            took.append(_microseconds(call))
        return {"us": took}

    def _images(self, inputs: str) -> Floats:
        return np.array(np.load(inputs, mmap_mode="r")[:_IMAGES])

    def _invoke(self) -> Callable[[], Any] | None:
        inner = self._inner
        return inner.interpreter.invoke if isinstance(inner, TFLiteRuntime) else None

    def throughput(self, inputs: str, batch: int, repeats: int) -> dict[str, Any]:
        """Returns the microseconds that each of `repeats` batches took."""
        kept = np.load(inputs, mmap_mode="r")
        call = partial(self._runtime.run, np.array(kept[np.arange(batch) % len(kept)]))
        call()
        return {"us": [_microseconds(call) for _ in range(repeats)]}

    def profile(self, inputs: str) -> dict[str, Any]:
        """Returns the time of each operation, as `OperationTime`'s fields."""
        image = np.array(np.load(inputs, mmap_mode="r")[:1])
        inner, data = self._inner, self._path.read_bytes()
        if isinstance(self._runtime, Adapted):
            image = self._runtime.arrange(image)
        if isinstance(inner, TFLiteRuntime):
            times = tflite_times(data, type(inner.interpreter), quantize(image, inner.input), self._threads)
        else:
            times = onnx_times(data, image, self._threads) if self._path.suffix == ".onnx" else []
        return {"operations": [vars(each) for each in times]}


def _microseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1000


def _peak_memory_mb() -> float:
    # Linux's ru_maxrss keeps, across exec, what the parent used; VmHWM is this program's alone.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers until the requests end: each names a method in ``do`` and gives its arguments; the first one loads."""
    worker: Worker | None = None
    for line in requests:
        request = json.loads(line)
        asked = request.pop("do")
        try:
            if worker is None:
                worker, answer = Worker(**request), {}
            else:
                answer = getattr(worker, asked)(**request)
        except EdgitsError as error:
            answer = {"error": str(error), "missing": isinstance(error, MissingExtraError)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Keeps standard output for answers: what libraries print there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
