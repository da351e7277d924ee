"""Runs a model file on images in a process of its own: `python -m edgits.export.probe`.

tflite-runtime and TensorFlow crash when one process loads both, so a converter that has TensorFlow loaded
asks a child for tflite-runtime's answers. What crashes or hangs there becomes an error here.
"""

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
    return ask([sys.executable, "-m", "edgits.export.probe", str(model), runtime], runtime, batches, limit=limit)


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
                [*command, str(inputs), str(outputs)], capture_output=True, text=True, check=False, timeout=limit
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
    """Runs in the child; the arguments are model, runtime, file of inputs, file of outputs."""
    model, runtime, inputs, outputs = arguments
    try:
        with np.load(inputs) as stored:
            batches = [stored[f"arr_{i}"] for i in range(len(stored.files))]
        loaded = open_model(Path(model), runtime=runtime)
        np.savez(outputs, *[loaded.run(batch) for batch in batches], version=np.array(loaded.version))
    except (MissingExtraError, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return _RUNTIME_MISSING if isinstance(error, MissingExtraError) else _MODEL_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
