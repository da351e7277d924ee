"""Runs a model file on images in a process of its own: `python -m edgits.export.probe`.

tflite-runtime and TensorFlow crash when one process loads both, so a converter that has
TensorFlow loaded asks a child for tflite-runtime's answers.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgits.edge.runtimes import Floats, open_model
from edgits.errors import CheckError, MissingExtraError, ModelError

_MODEL_FAILED, _RUNTIME_MISSING = 3, 4


def run_apart(model: Path, runtime: str, batches: list[Floats]) -> tuple[str, list[Floats]]:
    """Runs a model file in a child process.

    Args:
        model: The file.
        runtime: One of `edgits.edge.runtimes.RUNTIMES`.
        batches: float32 (N, *input) each.

    Returns:
        The runtime's version, and the scores of each batch.

    Raises:
        MissingExtraError: The runtime is there but doesn't work.
        ModelError: It refuses the file.
        CheckError: It crashes on the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(inputs, *batches)
        command = [sys.executable, "-m", "edgits.export.probe", str(model), runtime, str(inputs), str(outputs)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        message = (child.stderr.strip().splitlines() or ["no message"])[-1]
        if child.returncode == _RUNTIME_MISSING:
            raise MissingExtraError(message)
        if child.returncode == _MODEL_FAILED:
            raise ModelError(message)
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
