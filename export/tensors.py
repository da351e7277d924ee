"""Runs a file and keeps what every layer of it makes, as real numbers. Compares nothing."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.card import TensorSpec
from edgits.edge.runtimes import TFLITE_RUNTIMES, Floats, quantize
from edgits.errors import MissingExtraError, require
from edgits.export.structure import builtin_names, tflite_schema

# What only passes values on, in one type or another, or works on shapes.
_PASSIVE = {"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SHAPE", "STRIDED_SLICE", "PACK", "SQUEEZE", "EXPAND_DIMS", "CAST"}
_PASSIVE |= {"QuantizeLinear", "DequantizeLinear", "Reshape", "Shape", "Slice", "Squeeze", "Unsqueeze", "Cast"}
_PASSIVE |= {"TRANSPOSE", "Transpose", "Constant", "Identity", "Gather", "Flatten"}
_WEIGHTED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Step:
    """An operation of a file that was run.

    Attributes:
        operation: Such as ``"CONV_2D"``.
        name: Name of its output tensor.
        output: float32 (N, ...).
        weights: float32; None where it has none that are constant.
    """

    operation: str
    name: str
    output: Floats
    weights: Floats | None


def run_tflite(path: Path, images: Floats) -> list[Step]:
    """Runs a `.tflite` file on images, float32 (N, *input)."""
    interpreter = _interpreter(path)
    parameters = {each["index"]: each["quantization_parameters"] for each in interpreter.get_tensor_details()}
    (entry,) = interpreter.get_input_details()
    spec = TensorSpec(tuple(entry["shape"][1:]), np.dtype(entry["dtype"]).name, *entry["quantization"])
    layers = list(_tflite_layers(path))
    outputs: list[list[Floats]] = [[] for _ in layers]
    for image in images:  # one by one: some files take no more
        interpreter.set_tensor(entry["index"], quantize(image[np.newaxis], spec))
        interpreter.invoke()
        for (_, _, output, _), values in zip(layers, outputs, strict=True):
            values.append(_real(interpreter.get_tensor(output), parameters[output]))
    return [
        Step(
            operation,
            name,
            np.concatenate(values),
            None if weights is None else _real(interpreter.get_tensor(weights), parameters[weights]),
        )
        for (operation, name, _, weights), values in zip(layers, outputs, strict=True)
    ]


def _tflite_layers(path: Path) -> Iterator[tuple[str, str, int, int | None]]:
    """Gives each layer's operation, the name and the index of its output, and the index of its weights."""
    model = tflite_schema().Model.GetRootAs(path.read_bytes())
    graph, names = model.Subgraphs(0), builtin_names(model)
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    # Half and 4-bit weights are made float by an operation of their own.
    made = {op.Outputs(0): op.Inputs(0) for op in operators if names[op.OpcodeIndex()] == "DEQUANTIZE"}
    for op in operators:
        if names[op.OpcodeIndex()] not in _PASSIVE:
            weights = op.Inputs(1) if op.InputsLength() > 1 else -1
            stored = graph.Tensors(made.get(weights, weights)) if weights >= 0 else None
            constant = stored is not None and model.Buffers(stored.Buffer()).DataLength() > 0
            output = op.Outputs(0)
            name = graph.Tensors(output).Name().decode()
            yield names[op.OpcodeIndex()], name, output, weights if constant else None


def _interpreter(path: Path) -> Any:
    for module, _ in TFLITE_RUNTIMES.values():
        try:
            lite = importlib.import_module(module)
        except ImportError:
            continue
        interpreter = lite.Interpreter(
            model_content=path.read_bytes(),
            experimental_preserve_all_tensors=True,
            # a delegate takes several layers as one and keeps what lies between to itself
            experimental_op_resolver_type=lite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        return interpreter
    raise MissingExtraError("no TFLite runtime is installed: pip install ai-edge-litert")


def _real(values: npt.NDArray[Any], parameters: dict[str, Any]) -> Floats:
    """Dequantizes a tensor that may have a scale for every channel."""
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if len(scales) == 0 or values.dtype.kind == "f":
        return values.astype(np.float32)
    return _scaled(values, scales, zeros, parameters["quantized_dimension"])


def _scaled(values: npt.NDArray[Any], scales: Floats, zeros: npt.NDArray[Any], axis: int) -> Floats:
    shape = [1] * values.ndim
    if np.size(scales) > 1:
        shape[axis] = np.size(scales)
    return np.asarray((values.astype(np.float32) - np.reshape(zeros, shape)) * np.reshape(scales, shape), np.float32)


def run_onnx(path: Path, images: Floats) -> list[Step]:
    """Runs an `.onnx` file on images, float32 (N, *input); its batch must be open."""
    package = require("onnx", extra="onnx")
    runtime = require("onnxruntime", extra="onnx")
    proto = package.load(path)
    graph = proto.graph
    entry = graph.input[0].name
    constants = {value.name: package.numpy_helper.to_array(value) for value in graph.initializer}
    kept = [node for node in graph.node if node.op_type not in _PASSIVE]
    made = {node.output[0]: node for node in graph.node}
    read = _as_quantized(graph)
    known = {value.name for value in graph.output}
    wanted = [read.get(node.output[0], node.output[0]) for node in kept]
    graph.output.extend(package.ValueInfoProto(name=name) for name in wanted if name not in known)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it would fuse layers away
    options.log_severity_level = 3
    session = runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(wanted, {entry: images})
    return [
        Step(
            node.op_type,
            name if name in known else node.output[0],
            np.asarray(value, np.float32),
            _onnx_weights(node, made, constants),
        )
        for node, name, value in zip(kept, wanted, values, strict=True)
    ]


def _as_quantized(graph: Any) -> dict[str, str]:
    """Returns for the name of each tensor that is quantized the name under which the next layer sees it."""
    quantized = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    real = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return {name: real[steps] for name, steps in quantized.items() if steps in real}


def _onnx_weights(node: Any, made: dict[str, Any], constants: dict[str, Any]) -> Floats | None:
    """Returns the weights of a layer, dequantized where a DequantizeLinear makes them.

    An activation or a bias has those of the layer that it follows, with which a quantizer fuses it.
    """
    if node.op_type not in _WEIGHTED:
        before = made.get(node.input[0]) if node.op_type in ("Clip", "Relu", "Add") else None
        return _onnx_weights(before, made, constants) if before is not None and before.op_type in _WEIGHTED else None
    source = made.get(node.input[1])
    if source is None:
        return np.asarray(constants[node.input[1]], np.float32) if node.input[1] in constants else None
    if source.op_type != "DequantizeLinear" or source.input[0] not in constants:
        return None
    values, scale, zero = (constants[name] for name in source.input[:3])
    axis = next((attribute.i for attribute in source.attribute if attribute.name == "axis"), 1)
    return _scaled(values, scale, zero, axis)
