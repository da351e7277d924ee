"""One model in one runtime, in a process of its own: `python -m edgits.benchmarks.worker`.

It is asked by `edgits.benchmarks.measure` with one JSON object a line on standard input, and
answers each with one on standard output. It knows nothing of the other models or of the truth.
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edgits.benchmarks.answers import digits
from edgits.edge.recognizer import Recognizer
from edgits.errors import EdgitsError, MissingExtraError

# After other rows have had the processor, its caches and predictors hold nothing of this model.
_WARM_UP = 20


class Worker:
    """A loaded model that answers and times itself.

    Args:
        model: The model file.
        runtime: Name of the runtime.
        threads: Threads of one inference.
    """

    def __init__(self, model: Path, runtime: str, threads: int) -> None:
        began = time.perf_counter()
        self._recognizer = Recognizer.load(model, runtime=runtime, threads=threads)
        self._load_ms = 1000 * (time.perf_counter() - began)

    def describe(self) -> dict[str, Any]:
        """Returns what the model is, what loading it took, and the memory needed to read image by image."""
        runtime, card = self._recognizer.runtime, self._recognizer.card
        runtime.run(np.zeros((1, *runtime.input.shape), np.float32))
        return {
            "runtime": runtime.name,
            "version": runtime.version,
            "format": card.format,
            "parameters": card.parameters,
            "macs": card.macs,
            "normalization": card.normalization.to_json(),
            "load_ms": self._load_ms,
            "memory_mb": _peak_memory_mb(),
        }

    def read(self, inputs: str) -> dict[str, Any]:
        """Returns the digits read in the file `inputs`, a float32 .npy (N, size, size, 1)."""
        return {"digits": digits(self._recognizer, np.load(inputs, mmap_mode="r")).tolist()}

    def time(self, inputs: str, repeats: int) -> dict[str, Any]:
        """Returns the microseconds that each of `repeats` inferences of one image took."""
        images = np.array(np.load(inputs, mmap_mode="r")[:64])
        run = self._recognizer.runtime.run
        took = []
        gc.disable()
        for i in range(-_WARM_UP, repeats):
            image = images[i % len(images)][None]
            began = time.perf_counter_ns()
            run(image)
            ended = time.perf_counter_ns()
            if i >= 0:
                took.append((ended - began) / 1000)
        gc.enable()
        return {"us": took}


def _peak_memory_mb() -> float:
    # Linux's ru_maxrss keeps, across exec, what the parent used; VmHWM is this program's alone.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers until the requests end; the first one opens the model."""
    worker: Worker | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if worker is None:
                worker = Worker(Path(request["model"]), request["runtime"], request["threads"])
                answer = worker.describe()
            elif "repeats" in request:
                answer = worker.time(request["inputs"], request["repeats"])
            else:
                answer = worker.read(request["inputs"])
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
