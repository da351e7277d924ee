"""Runs a model file on images in a process of its own: `python -m edgits.edge.apart`.

A runtime is native code, and what crashes or hangs it there becomes an error here. It judges no answers.
"""

import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgits.edge.runtimes import Floats, open_model
from edgits.errors import CheckError, MissingExtraError, ModelError

_MODEL_FAILED, _RUNTIME_MISSING = 3, 4
# What imports the slowest runtime ten times over, and reads an image ten times slower than the slowest format does.
_LIMIT_SECONDS, _LIMIT_SECONDS_AN_IMAGE = 120.0, 0.05
_PROOF_SECONDS = 60.0
_PROOF_BYTES = 2 * 2**30  # a digit model takes a hundredth of it


def run_apart(
    model: Path, runtime: str, batches: list[Floats], *, limit: float | None = None
) -> tuple[str, list[Floats]]:
    """Runs a model file in a child process.

    Args:
        model: The file.
        runtime: One of `edgits.edge.runtimes.RUNTIMES`.
        batches: float32 (N, *input) each.
        limit: Seconds until it counts as hung; by default by the number of images.

    Returns:
        The runtime's version, and the scores of each batch.

    Raises:
        MissingExtraError: The runtime is there but doesn't work.
        ModelError: It refuses the file.
        CheckError: It crashes or hangs on the file.
    """
    return ask([sys.executable, "-m", "edgits.edge.apart", str(model), runtime], runtime, batches, limit=limit)


def prove(model: Path, *, runtime: str | None = None, limit: float = _PROOF_SECONDS) -> None:
    """Loads a model file in a child process and gives it one empty image, so that this process may load it then.

    Args:
        model: The file.
        runtime: As for `open_model`.
        limit: Seconds until it counts as hung.

    Raises:
        MissingExtraError: No runtime works.
        ModelError: The runtime refuses the file, crashes or hangs on it, or takes more than 2 GiB of memory for it.
    """
    try:
        command = [sys.executable, "-m", "edgits.edge.apart", str(model), runtime or ""]
        ask(command, runtime or "the runtime", [], limit=limit)
    except CheckError as error:
        raise ModelError(f"'{model}' can't be used: {error}; give another model") from error


def ask(
    command: Sequence[str], runtime: str, batches: list[Floats], *, limit: float | None = None
) -> tuple[str, list[Floats]]:
    """Runs a command that reads batches from one file and writes scores to another, the last two arguments.

    See `run_apart`; `runtime` is what messages call it.
    """
    images = sum(map(len, batches))
    limit = _LIMIT_SECONDS + _LIMIT_SECONDS_AN_IMAGE * images if limit is None else limit
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(inputs, *batches)
        try:
            child = subprocess.run(
                [*command, str(inputs), str(outputs)],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=limit,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckError(f"{runtime} hangs: no answer to {images} images within {limit:.0f} s") from error
        message = (child.stderr.strip().splitlines() or ["no message"])[-1]
        if child.returncode == _RUNTIME_MISSING:
            raise MissingExtraError(message)
        if child.returncode == _MODEL_FAILED:
            raise ModelError(message)
        if child.returncode < 0:
            raise CheckError(f"{runtime} crashes on it: {signal.Signals(-child.returncode).name}")
        if child.returncode != 0:
            raise CheckError(f"{runtime} stopped with exit code {child.returncode}: {message}")
        with np.load(outputs) as stored:
            return str(stored["version"]), [stored[f"arr_{i}"] for i in range(len(batches))]


def main(arguments: list[str]) -> int:
    """Runs in the child; the arguments are model, runtime, file of inputs, file of outputs.

    Without a runtime's name the first that works is taken. Without inputs it is a proof: one empty image, and
    little memory.
    """
    model, runtime, inputs, outputs = arguments
    try:
        with np.load(inputs) as stored:
            batches = [stored[f"arr_{i}"] for i in range(len(stored.files))]
        if not batches:
            resource.setrlimit(resource.RLIMIT_DATA, (_PROOF_BYTES, _PROOF_BYTES))
        loaded = open_model(Path(model), runtime=runtime or None)
        batches = batches or [np.zeros((1, *loaded.input.shape), np.float32)]
        np.savez(outputs, *[loaded.run(batch) for batch in batches], version=np.array(loaded.version))
    except (MissingExtraError, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return _RUNTIME_MISSING if isinstance(error, MissingExtraError) else _MODEL_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
