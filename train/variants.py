"""Makes a mixture's variants ahead of the training, by processes of their own, and keeps them in a folder.

Making an image takes longer than training on it, and Python's threads take turns; processes do not.
A finished variant is a file, so that a training which goes on, or another one on the same mixture,
finds it there. Knows no model.

`python -m edgits.train.variants FOLDER FIRST STEP` is such a process; it reads the mixture from its
standard input.
"""

import hashlib
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edgits import files, normalize
from edgits.errors import DataError
from edgits.train import augment, marks, mixture
from edgits.train.mixture import Mixture

_POLL = 0.05  # seconds


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
        self.count = min(count, made.variants)
        self._pickled = pickle.dumps(made)
        self.folder = files.make_folder(folder / _digest(self._pickled))
        self._workers = min(workers or os.cpu_count() or 1, self.count)
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        if not all(self.file(number).is_file() for number in range(self.count)):
            for first in range(self._workers):
                command = [sys.executable, "-m", "edgits.train.variants", str(self.folder)]
                command += [str(first), str(self._workers), str(self.count)]
                worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
                self._running.append(worker)
                assert worker.stdin is not None
                try:
                    worker.stdin.write(self._pickled)
                    worker.stdin.close()
                except BrokenPipeError:
                    pass  # it has ended already: get() says why
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._running:
            worker.kill()
            worker.wait()
            assert worker.stderr is not None
            worker.stderr.close()

    def file(self, number: int) -> Path:
        """Returns where a variant's file lies once it is made."""
        return self.folder / f"variant-{number}.npy"

    def get(self, number: int) -> npt.NDArray[np.uint8]:
        """Returns a variant's images, uint8 (N, size, size); waits until they are made.

        Raises:
            DataError: The process that makes them has failed.
        """
        while not self.file(number).is_file():
            worker = self._running[number % self._workers]
            if worker.poll() is not None and not self.file(number).is_file():
                assert worker.stderr is not None
                said = worker.stderr.read().decode(errors="replace").strip().splitlines()
                reason = said[-1] if said else f"exit code {worker.returncode}"
                raise DataError(f"training images could not be made: {reason}; look at memory and disk space")
            time.sleep(_POLL)
        found: npt.NDArray[np.uint8] = np.load(self.file(number), mmap_mode="r")
        return found


def as_input(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Returns normalised images, uint8 (N, size, size), as a model takes them: float32 (N, size, size, 1) in [0, 1]."""
    return np.asarray(images[..., None], np.float32) / np.float32(255)


def _digest(pickled: bytes) -> str:
    """Names a mixture by its data, its settings and the code that varies its images."""
    code = [Path(module.__file__).read_bytes() for module in (augment, marks, mixture, normalize) if module.__file__]
    return hashlib.sha256(b"".join([pickled, *code])).hexdigest()[:16]


def _make(folder: Path, numbers: range) -> None:
    """Makes the variants that aren't there; gives up when the training that wants them is gone."""
    import cv2

    cv2.setNumThreads(1)
    wanted: Mixture = pickle.load(sys.stdin.buffer)
    parent = os.getppid()

    def check(row: int) -> None:
        if row % 500 == 0 and os.getppid() != parent:
            raise SystemExit

    for number in numbers:
        path = folder / f"variant-{number}.npy"
        if not path.is_file():
            images = wanted.make(number, check)
            with files.whole_file(path) as temporary:
                np.save(temporary, images)


if __name__ == "__main__":
    _make(Path(sys.argv[1]), range(*(int(value) for value in (sys.argv[2], sys.argv[4], sys.argv[3]))))
