"""Counts what a loaded model consists of: operations, parameters, multiply-accumulates, and what runs them.

It asks the loaded interpreter or the parsed ONNX file; it runs nothing. Of operations that it doesn't
know it counts no multiply-accumulates.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# TFLite calls the node that stands for what a delegate runs so, and XNNPACK is the one it brings for CPUs.
_NODE, DELEGATE = "DELEGATE", "XNNPACK"
# They only compute shapes, which no delegate does and which takes next to no time.
SHAPES = frozenset({"SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE", "EXPAND_DIMS", "SQUEEZE"})
_INTEGERS = (np.int8, np.uint8, np.int16)


@dataclass(frozen=True)
class Operation:
    """One operation of a model.

    Attributes:
        name: As its format calls it, such as ``"CONV_2D"`` or ``"Conv"``.
        types: NumPy names of its inputs' types and its first output's, such as ``("float32", "int8", "float32")``.
        delegated: Whether a delegate runs it.
    """

    name: str
    types: tuple[str, ...]
    delegated: bool = False


@dataclass(frozen=True)
class Graph:
    """What a model consists of.

    Attributes:
        operations: In the order in which they run.
        parameters: Number of weights and biases; 0 where they can't be counted.
        macs: Multiply-accumulate operations for an image; 0 where they can't be counted.
        quantized: Whether weights are of 8 or 16 bit integers.
        delegates: Whether the runtime has delegates at all.
    """

    operations: tuple[Operation, ...]
    parameters: int
    macs: int
    quantized: bool
    delegates: bool = False

    @property
    def computing(self) -> tuple[Operation, ...]:
        """The operations without those that only compute shapes."""
        return tuple(step for step in self.operations if step.name not in SHAPES)

    def delegate_text(self) -> str:
        """Returns what a delegate runs, such as ``"XNNPACK 7 of 8"``; empty where the runtime has none."""
        if not self.delegates:
            return ""
        steps = self.computing
        return f"{DELEGATE} {sum(step.delegated for step in steps)} of {len(steps)}"


def tflite_graph(interpreter: Any) -> Graph:
    """Counts a model in a TFLite interpreter whose tensors are allocated, for a batch of one."""
    nodes = interpreter._get_ops_details()
    steps = [node for node in nodes if node["op_name"] != _NODE]
    delegated = _delegated(steps, [node for node in nodes if node["op_name"] == _NODE])
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    operations = [
        Operation(
            node["op_name"],
            tuple(
                np.dtype(tensors[int(at)]["dtype"]).name for at in (*node["inputs"], *node["outputs"][:1]) if at >= 0
            ),
            place in delegated,
        )
        for place, node in enumerate(steps)
    ]
    made = {int(index) for node in steps for index in node["outputs"]}
    made |= {int(entry["index"]) for entry in interpreter.get_input_details()}
    constants = {int(index) for node in steps for index in node["inputs"]} - made - {-1}
    weights = [index for index in constants if _is_weight(index, steps, tensors)]
    return Graph(
        operations=tuple(operations),
        parameters=sum(math.prod(tensors[index]["shape"].tolist()) for index in weights),
        macs=sum(_macs(node, tensors) for node in steps),
        quantized=any(tensors[index]["dtype"] in _INTEGERS for index in weights),
        delegates=True,
    )


def _delegated(steps: Sequence[Any], delegates: Sequence[Any]) -> set[int]:
    """Finds the operations behind delegates' nodes: from their outputs back to their inputs."""
    maker = {int(index): place for place, node in enumerate(steps) for index in node["outputs"]}
    found: set[int] = set()
    for node in delegates:
        border = {int(index) for index in node["inputs"]}
        wanted = [int(index) for index in node["outputs"]]
        while wanted:
            place = maker.get(wanted.pop())
            if place is not None and place not in found:
                found.add(place)
                wanted += [int(index) for index in steps[place]["inputs"] if int(index) not in border]
    return found


def _is_weight(index: int, steps: Iterable[Any], tensors: dict[int, Any]) -> bool:
    """Tells weights from single numbers, and from the integers that shape operations take."""
    if math.prod(tensors[index]["shape"].tolist()) == 1:
        return False
    if tensors[index]["dtype"] in (np.float32, np.float16, *_INTEGERS):
        return True
    # an integer model's biases
    return any(len(node["inputs"]) > 2 and int(node["inputs"][2]) == index for node in steps if _macs(node, tensors))


def _macs(node: Any, tensors: dict[int, Any]) -> int:
    shapes = [tensors[int(index)]["shape"].tolist() if index >= 0 else [] for index in node["inputs"]]
    out = tensors[int(node["outputs"][0])]["shape"].tolist() if len(node["outputs"]) else []
    if node["op_name"] == "CONV_2D":
        return int(math.prod(out) * math.prod(shapes[1][1:]))
    if node["op_name"] == "DEPTHWISE_CONV_2D":
        return int(math.prod(out) * math.prod(shapes[1][1:3]))
    if node["op_name"] == "TRANSPOSE_CONV":
        return int(math.prod(shapes[2]) * math.prod(shapes[1][:3]))
    if node["op_name"] == "FULLY_CONNECTED":
        return int(math.prod(out[:-1]) * math.prod(shapes[1]))
    return int(math.prod(out) * shapes[0][-1]) if node["op_name"] == "BATCH_MATMUL" else 0


def onnx_graph(data: bytes) -> Graph:
    """Counts an ONNX model.

    Args:
        data: The file's bytes.

    Returns:
        What could be counted; nothing where the package `onnx` isn't installed.
    """
    try:
        import onnx
        from onnx import numpy_helper, shape_inference
    except ImportError:
        return Graph((), 0, 0, quantized=False)
    graph = shape_inference.infer_shapes(onnx.load_from_string(data)).graph
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    shapes = {
        value.name: [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.HasField("tensor_type")
    }
    shapes |= {name: list(value.shape) for name, value in constants.items()}
    scaling = {name for node in graph.node if "QuantizeLinear" in node.op_type for name in node.input[1:]}
    used = [
        value for name, value in constants.items() if value.size > 1 and value.dtype != np.int64 and name not in scaling
    ]
    return Graph(
        operations=tuple(Operation(node.op_type, ()) for node in graph.node if node.op_type != "Constant"),
        parameters=sum(value.size for value in used) + _attributes(graph),
        macs=sum(_onnx_macs(node, shapes) for node in graph.node),
        quantized=any(value.dtype in _INTEGERS and value.ndim > 1 for value in used),
    )


def _attributes(graph: Any) -> int:
    """Counts the numbers that classical models, such as scikit-learn's, keep in attributes."""
    kept = ("coefficients", "intercepts", "support_vectors", "nodes_values", "class_weights")
    return sum(len(entry.floats) for node in graph.node for entry in node.attribute if entry.name in kept)


def _onnx_macs(node: Any, shapes: dict[str, list[int]]) -> int:
    known = [shapes.get(name, []) for name in node.input]
    out = shapes.get(node.output[0], [])
    if node.op_type in ("Conv", "ConvInteger") and len(known) > 1:
        return int(math.prod(out) * math.prod(known[1][1:]))
    if node.op_type == "QLinearConv":
        return int(math.prod(out) * math.prod(known[3][1:]))
    if node.op_type in ("Gemm", "MatMul", "MatMulInteger") and len(known) > 1:
        return int(math.prod(out) * (known[0][-1] if known[0] else 0))
    kept = {entry.name: len(entry.floats) for entry in node.attribute}
    return kept.get("coefficients", 0)
