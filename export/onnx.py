"""Makes `.onnx` files of a Keras model: input `image`, output `scores`, open batch. Checks nothing."""

import tempfile
from pathlib import Path
from typing import Any

from edgits.edge.runtimes import Floats
from edgits.errors import require
from edgits.export.recipes import OnnxOptions

INPUT, OUTPUT, BATCH = "image", "scores", "batch"
# The oldest that has all we need; every ONNX Runtime since 1.10 (2021) reads it.
_OPSET = 15
_CALIBRATION_BATCH = 50


def convert(model: Any, options: OnnxOptions, calibration: Floats, path: Path) -> None:
    """Writes an `.onnx` file.

    Args:
        model: A `keras.Model`.
        options: The recipe's options.
        calibration: float32 (N, H, W, C), normalised images; used for int8 only.
        path: Where to write, with the suffix ``.onnx``.
    """
    onnx = require("onnx", extra="onnx")
    require("tf2onnx", extra="onnx")
    keras = require("keras", extra="train")
    signature = [keras.InputSpec(shape=(None, *model.input_shape[1:]), dtype="float32", name=INPUT)]
    with tempfile.TemporaryDirectory() as folder:
        float_path = Path(folder) / "float32.onnx"
        model.export(str(float_path), format="onnx", verbose=False, opset_version=_OPSET, input_signature=signature)
        onnx.save(_named(onnx.load(float_path)), float_path)
        if options.precision == "int8":
            _quantize(float_path, calibration, path)
        elif options.precision == "float16":
            _halve(float_path, path)
        else:
            path.write_bytes(float_path.read_bytes())
    onnx.checker.check_model(onnx.load(path), full_check=True)


def _named(proto: Any) -> Any:
    """Names tensors and nodes by their place, such as `conv_3`: the converter's own names change from run to run."""
    graph = proto.graph
    names = {"": "", graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for i, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}_{i}"
        for k, name in enumerate(node.input):
            names.setdefault(name, f"{node.name}_in{k}")
        for k, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}_out{k}" if k else node.name)
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for tensor in (*graph.initializer, graph.input[0], graph.output[0]):
        tensor.name = names[tensor.name]
    graph.initializer.sort(key=lambda tensor: tensor.name)
    del graph.value_info[:]
    for tensor in (graph.input[0], graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH
    return proto


class _Images:
    """Calibration images as the quantizer reads them: `get_next` gives a batch, then None."""

    def __init__(self, images: Floats) -> None:
        starts = range(0, len(images), _CALIBRATION_BATCH)
        self._batches = iter([{INPUT: images[i : i + _CALIBRATION_BATCH]} for i in starts])

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._batches, None)


def _quantize(source: Path, calibration: Floats, path: Path) -> None:
    """Quantizes statically: uint8 activations, int8 weights of 7 bits a channel.

    On an x86 without VNNI the sum of two 8-bit products saturates at 16 bits; with weights of
    7 bits (`reduce_range`) it can't. uint8 weights are safe too, but slower than float32.
    """
    quantization = require("onnxruntime.quantization", extra="onnx")
    shape_inference = require("onnxruntime.quantization.shape_inference", extra="onnx")
    prepared = source.with_name("prepared.onnx")
    shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(path),
        _Images(calibration),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )


def _halve(source: Path, path: Path) -> None:
    """Makes weights and arithmetic float16; input and output stay float32."""
    onnx = require("onnx", extra="onnx")
    float16 = require("onnxruntime.transformers.float16", extra="onnx")
    helper = require("onnxruntime.transformers.onnx_model", extra="onnx")
    graph = helper.OnnxModel(float16.convert_float_to_float16(onnx.load(source), keep_io_types=True))
    graph.topological_sort()  # the conversion puts its cast of the input last
    onnx.save(graph.model, path)
