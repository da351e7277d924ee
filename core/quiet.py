"""Keeps the log lines of C++ libraries off the terminal. Doesn't touch Python's warnings or errors."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.RLock()  # two threads must not put back each other's standard error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Sends the process's standard error nowhere for the time of the block.

    For what no setting silences: TensorFlow's first lines when it is imported, and OpenCV's
    about damaged images. Problems still come as exceptions.
    """
    with _lock:
        sys.stderr.flush()
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
