"""Measures layer by layer how far a converted file's tensors are from the float model's.

Layers are paired by their order where both files do the same operations, else by the names of their
tensors. A layer's error holds what the layers before it lost: the layer to look at is where it jumps.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgits.edge.runtimes import Floats, KerasRuntime, model_kind, open_model
from edgits.errors import ModelError
from edgits.export import onnx, tflite
from edgits.export.quiet import quiet
from edgits.export.recipes import OnnxOptions, TFLiteOptions
from edgits.export.tensors import Step, run_onnx, run_tflite


@dataclass(frozen=True)
class Layer:
    """A layer's error; errors are root mean squares over that of the float values.

    Attributes:
        operation: What it does, such as ``"CONV_2D"``.
        name: Name of its output tensor, in the float file.
        error: Of its output, 0 where both are the same.
        added: By how much that is above the error of the layer before.
        weight_error: Of its weights; None where it has none, or they weren't quantized.
    """

    operation: str
    name: str
    error: float
    added: float
    weight_error: float | None


def compare_layers(path: Path, reference: Path, images: Floats) -> list[Layer]:
    """Compares a file with its float original.

    Args:
        path: A `.tflite` or `.onnx` file.
        reference: The Keras model, or a float file of the same kind.
        images: float32 (N, *input), normalised; a few dozen are enough.

    Returns:
        The layers, in the order in which they run.

    Raises:
        ModelError: The files are of different kinds, or no layer of one is found in the other.
    """
    check_comparable(path, reference)
    kind = model_kind(path)
    with tempfile.TemporaryDirectory() as folder, quiet():
        if model_kind(reference) == "keras":
            reference = _float_file(reference, Path(folder) / f"float32.{kind}", images)
        run = run_onnx if kind == "onnx" else run_tflite
        return _paired(run(reference, images), run(path, images), path)


def check_comparable(path: Path, reference: Path) -> None:
    """Raises `ModelError` unless the files are of a kind, or the reference is a Keras model."""
    kind = model_kind(path)
    if model_kind(reference) not in (kind, "keras") or kind == "keras":
        raise ModelError(
            f"layers of '{path}' can't be compared with '{reference}': they need the Keras model, or a float .{kind}; "
            "name one with --against"
        )


def _float_file(keras_file: Path, path: Path, images: Floats) -> Path:
    runtime = open_model(keras_file, runtime="keras")
    assert isinstance(runtime, KerasRuntime)
    if path.suffix == ".onnx":
        onnx.convert(runtime.model, OnnxOptions(), images, path)
    else:
        tflite.convert(runtime.model, TFLiteOptions(), images, path)
    return path


def _paired(floats: Sequence[Step], steps: Sequence[Step], path: Path) -> list[Layer]:
    if [step.operation for step in floats] == [step.operation for step in steps]:
        pairs = list(zip(floats, steps, strict=True))
    else:
        named = {step.name: step for step in steps}
        pairs = [(step, named[step.name]) for step in floats if step.name in named]
    pairs = [(ours, theirs) for ours, theirs in pairs if ours.output.shape == theirs.output.shape]
    if not pairs:
        raise ModelError(f"no layer of '{path}' is found in the float model: it is another model's file")
    layers: list[Layer] = []
    for ours, theirs in pairs:
        error = _error(ours.output, theirs.output)
        weights = None
        if ours.weights is not None and theirs.weights is not None and ours.weights.shape == theirs.weights.shape:
            weights = _error(ours.weights, theirs.weights) or None
        added = error - layers[-1].error if layers else error
        layers.append(Layer(theirs.operation, ours.name, error, added, weights))
    return layers


def _error(expected: Floats, found: Floats) -> float:
    power = float(np.sqrt(np.mean(np.square(expected))))
    return float(np.sqrt(np.mean(np.square(found - expected)))) / power if power else 0.0
