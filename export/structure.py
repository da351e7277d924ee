"""Looks into a `.tflite` or `.onnx` file without running it: operations, constants, batch, range of the input.

A damaged file is read as far as it goes, or not at all; whether it answers right is seen only by running it.
"""

import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgits.errors import require


@dataclass(frozen=True)
class Operation:
    """An operation that a file uses.

    Attributes:
        name: As its format calls it, such as ``"CONV_2D"`` or ``"Conv"``.
        version: Version of the operation (TFLite) or of its operator set (ONNX).
        count: How often it is used.
    """

    name: str
    version: int
    count: int


@dataclass(frozen=True)
class Structure:
    """What a model file consists of.

    Attributes:
        operations: Each operation once, by name.
        constants: Bytes of weights and other constants.
        batch: Batch of the input; None where it is open.
        highest_input: The largest input that its quantization can tell from larger ones; None
            where the input isn't quantized.
    """

    operations: tuple[Operation, ...]
    constants: int
    batch: int | None
    highest_input: float | None


def read_structure(path: Path) -> Structure | None:
    """Reads a file's structure.

    Args:
        path: The file; its suffix decides how it is read.

    Returns:
        The structure; None for a Keras model, and for a file that can't be read as what it is named.

    Raises:
        MissingExtraError: The package that reads this kind of file isn't installed.
    """
    readers: dict[str, Callable[[Path], Structure]] = {".tflite": _read_tflite, ".onnx": _read_onnx}
    if path.suffix not in readers:
        return None
    if path.suffix == ".onnx":
        require("onnx", extra="onnx")
    else:
        tflite_schema()
    try:
        return readers[path.suffix](path)
    except Exception:  # a damaged file fails anywhere in generated code: struct, index, memory, decoding
        return None


def _read_tflite(path: Path) -> Structure:
    schema = tflite_schema()
    model = schema.Model.GetRootAs(path.read_bytes())
    graph = model.Subgraphs(0)
    versions = [model.OperatorCodes(i).Version() for i in range(model.OperatorCodesLength())]
    kinds = list(zip(builtin_names(model), versions, strict=True))
    used = Counter(kinds[graph.Operators(i).OpcodeIndex()] for i in range(graph.OperatorsLength()))
    described = {model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    sizes = [0 if i in described else model.Buffers(i).DataLength() for i in range(model.BuffersLength())]
    entry = graph.Inputs(0)
    tensor = graph.Tensors(entry)
    signature = tensor.ShapeSignature(0) if tensor.ShapeSignatureLength() else tensor.Shape(0)
    return Structure(
        operations=_operations(used),
        constants=sum(sizes),
        batch=None if signature < 0 else int(signature),
        highest_input=_highest_tflite(schema, graph, entry),
    )


def builtin_names(model: Any) -> list[str]:
    """Returns the names of a TFLite model's operator codes, such as ``"CONV_2D"``."""
    names = {value: name for name, value in vars(tflite_schema().BuiltinOperator).items() if isinstance(value, int)}
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    # Codes from 127 on don't fit into the field of old files.
    return [names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]


def tflite_schema() -> Any:
    """Returns the module that TensorFlow Lite's schema was compiled to, from the lightest package that has it."""
    try:
        return importlib.import_module("ai_edge_litert.schema_py_generated")
    except ImportError:
        return require("tensorflow.lite.python.schema_py_generated", extra="train")


def _highest_tflite(schema: Any, graph: Any, entry: int) -> float | None:
    """Returns the highest value of the input tensor, or of what it becomes where it is quantized inside."""
    limits = {schema.TensorType.INT8: 127, schema.TensorType.UINT8: 255, schema.TensorType.INT16: 32767}
    steps = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    quantized = [step.Outputs(0) for step in steps if step.InputsLength() and step.Inputs(0) == entry]
    for tensor in (graph.Tensors(place) for place in (entry, *quantized)):
        quantization = tensor.Quantization()
        if tensor.Type() in limits and quantization and quantization.ScaleLength() == 1:
            zero = quantization.ZeroPoint(0) if quantization.ZeroPointLength() else 0
            return float((limits[tensor.Type()] - zero) * quantization.Scale(0))
    return None


def _read_onnx(path: Path) -> Structure:
    onnx = require("onnx", extra="onnx")
    proto = onnx.load(path)
    graph = proto.graph
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    used = Counter((node.op_type, versions.get(node.domain, 0)) for node in graph.node)
    constants = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    entry = next(value for value in graph.input if value.name not in constants)
    first = entry.type.tensor_type.shape.dim[0]
    same, highest = {entry.name}, None
    for node in graph.node:
        if node.op_type in ("Reshape", "Transpose") and node.input[0] in same:
            same.update(node.output)
        if node.op_type == "QuantizeLinear" and node.input[0] in same:
            zero = constants[node.input[2]]
            highest = float((np.iinfo(zero.dtype).max - int(zero)) * constants[node.input[1]])
    return Structure(
        operations=_operations(used),
        constants=sum(value.nbytes for value in constants.values()),
        batch=first.dim_value if first.HasField("dim_value") else None,
        highest_input=highest,
    )


def _operations(used: Counter[tuple[str, int]]) -> tuple[Operation, ...]:
    return tuple(Operation(name, version, count) for (name, version), count in sorted(used.items()))
