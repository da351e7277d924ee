"""Makes a mixture's variants ahead of the training, by processes of their own, and keeps them in a folder.

Making an image takes longer than training on it, and Python's threads take turns; processes do not.
A finished variant is a file, so that a training which goes on, or another one on the same mixture,
finds it there. Knows no model.

`python -m edgits.train.variants FOLDER FIRST STEP` is such a process; it reads the mixture from its
standard input.
"""

import hashlib
import math
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edgits import files, normalize
from edgits import windows as row_windows
from edgits.errors import DataError
from edgits.train import augment, drawn, letters, marks, mixture, windows
from edgits.train.mixture import Mixture

_POLL = 0.05  # seconds
OnWait = Callable[[float, float], None]  # takes the share in [0, 1] that is made, and the seconds left


class Variants:
    """The images of a mixture, variant by variant; a context manager that ends its processes.

    Args:
        made: What to make.
        folder: Where the files lie; one folder may hold those of several mixtures.
        count: Of how many variants there is need.
        workers: Processes; by default one a core.
    """

    def __init__(self, made: Mixture, folder: Path, *, count: int, workers: int | None = None) -> None:
        self.mixture = made
        self.count = count
        self._pickled = pickle.dumps(made)
        self.folder = files.make_folder(folder / _digest(self._pickled))
        self._workers = min(workers or os.cpu_count() or 1, self.count)
        self._running: list[_Worker] = []

    def __enter__(self) -> Self:
        if not all(self.file(number).is_file() for number in range(self.count)):
            for first in range(self._workers):
                command = [sys.executable, "-m", "edgits.train.variants", str(self.folder)]
                command += [str(first), str(self._workers), str(self.count)]
                self._running.append(_Worker(command, self._pickled))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._running:
            worker.end()

    def file(self, number: int) -> Path:
        """Returns where a variant's file lies once it is made."""
        return self.folder / f"variant-{number}.npy"

    def get(self, number: int, on_wait: OnWait | None = None) -> npt.NDArray[np.uint8]:
        """Returns a variant's images, uint8 (N, size, size); waits until they are made.

        Args:
            number: Which variant, from 0.
            on_wait: Told again and again how far they are.

        Raises:
            DataError: The process that makes them has failed.
        """
        while not self.file(number).is_file():
            worker = self._running[number % self._workers]
            if worker.has_ended() and not self.file(number).is_file():
                raise DataError(f"training images could not be made: {worker.reason()}; look at memory and disk space")
            if on_wait:
                on_wait(*worker.progress(number))
            time.sleep(_POLL)
        found: npt.NDArray[np.uint8] = np.load(self.file(number), mmap_mode="r")
        return found


class _Worker:
    """A process that makes every so manieth variant, and says on its standard output how far it is."""

    def __init__(self, command: list[str], pickled: bytes) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        self._said = b""
        self._first: tuple[float, float] | None = None  # when it began, and with which variant
        stdin, stdout, self._errors = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        self._output = stdout
        os.set_blocking(stdout.fileno(), False)
        try:
            stdin.write(pickled)
            stdin.close()
        except BrokenPipeError:
            pass  # it has ended already: get() says why

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def reason(self) -> str:
        """Returns the last line that it said of its failure."""
        assert self._errors is not None
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"exit code {self._process.returncode}"

    def progress(self, number: int) -> tuple[float, float]:
        """Returns the share of a variant that is made, and the seconds until all of it is."""
        self._said = (self._said + (self._output.read() or b""))[-64:]
        lines = self._said.split(b"\n")[:-1]
        if not lines:
            return 0.0, math.nan
        at, done, step = (float(word) for word in lines[-1].split())
        now = time.monotonic()
        if self._first is None:
            self._first = now, at / step + done
        begun, before = self._first
        passed, made, wanted = now - begun, at / step + done - before, (number - at) / step + 1 - done
        return (done if at == number else 0.0), passed * wanted / made if made > 0 and passed > 1 else math.nan

    def end(self) -> None:
        """Ends it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._errors is not None
        self._errors.close()
        self._output.close()


def as_input(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Returns normalised images, uint8 (N, size, size), as a model takes them: float32 (N, size, size, 1) in [0, 1]."""
    return np.asarray(images[..., None], np.float32) / np.float32(255)


def _digest(pickled: bytes) -> str:
    """Names a mixture by its data, its settings and the code that varies its images."""
    modules = (augment, drawn, letters, marks, mixture, normalize, row_windows, windows)
    code = [Path(module.__file__).read_bytes() for module in modules if module.__file__]
    return hashlib.sha256(b"".join([pickled, *code])).hexdigest()[:16]


def _make(folder: Path, numbers: range) -> None:
    """Makes the variants that aren't there and says how far it is; gives up when the training is gone."""
    import cv2

    cv2.setNumThreads(1)
    wanted: Mixture = pickle.load(sys.stdin.buffer)
    parent, total = os.getppid(), len(wanted)
    hundredth = max(total // 100, 1)

    for number in numbers:

        def check(row: int, number: int = number) -> None:
            if row % hundredth == 0:
                if os.getppid() != parent:
                    raise SystemExit
                sys.stdout.write(f"{number} {row / total:.3f} {numbers.step}\n")
                sys.stdout.flush()

        path = folder / f"variant-{number}.npy"
        if not path.is_file():
            check(0)
            images = wanted.make(number, check)
            with files.whole_file(path) as temporary:
                np.save(temporary, images)


if __name__ == "__main__":
    _make(Path(sys.argv[1]), range(*(int(value) for value in (sys.argv[2], sys.argv[4], sys.argv[3]))))
