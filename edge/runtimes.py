"""One protocol over every runtime that can run a model file: LiteRT, tflite-runtime, TensorFlow, ONNX Runtime, Keras.

It moves arrays in and scores out and quantizes both; it doesn't know what the images show.
"""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgits.card import TensorSpec
from edgits.errors import MissingExtraError, ModelError, require
from edgits.quiet import quiet

Floats = npt.NDArray[np.float32]


class Runtime(Protocol):
    """A loaded model.

    Attributes:
        name: Which runtime it is, such as ``"litert"``.
        version: The runtime's version.
        input: The input tensor, without the batch axis.
        output: The output tensor, without the batch axis.
    """

    name: str
    version: str
    input: TensorSpec
    output: TensorSpec

    def run(self, batch: Floats) -> Floats:
        """Runs the model.

        Args:
            batch: float32 (N, *input.shape), the values that the float model takes.

        Returns:
            float32 (N, *output.shape), dequantized.
        """
        ...


def quantize(values: Floats, spec: TensorSpec) -> npt.NDArray[Any]:
    """Turns real values into a tensor's own dtype; values out of its range are clipped."""
    if not spec.scale:
        return np.asarray(values.astype(spec.dtype))
    limits = np.iinfo(spec.dtype)
    steps = np.round(values / spec.scale) + spec.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), spec.dtype)


def dequantize(values: npt.NDArray[Any], spec: TensorSpec) -> Floats:
    """Turns a tensor's own values into real ones."""
    if not spec.scale:
        return values.astype(np.float32)
    return np.asarray((values.astype(np.float32) - spec.zero_point) * spec.scale, np.float32)


class TFLiteRuntime:
    """A `.tflite` file in any interpreter with TensorFlow Lite's interface.

    The batch axis is resized where the file allows it; a file of fixed batch runs image by image.

    Attributes:
        interpreter: The runtime's own interpreter; it holds the tensors of the last run.
    """

    def __init__(self, path: Path, *, name: str, version: str, interpreter: Callable[..., Any], threads: int) -> None:
        self.name, self.version = name, version
        try:
            with quiet():  # LiteRT greets on the standard error
                self.interpreter = interpreter(model_content=path.read_bytes(), num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"'{path}' can't be loaded by {name} {version}: {_line(error)}; export it again"
            ) from error
        inputs, outputs = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        _one_each(path, len(inputs), len(outputs))
        self._in, self._out = inputs[0]["index"], outputs[0]["index"]
        self.input, self.output = _tflite_spec(inputs[0]), _tflite_spec(outputs[0])
        self._batch = int(inputs[0]["shape"][0])
        self._fixed = int(inputs[0].get("shape_signature", inputs[0]["shape"])[0]) > 0

    def run(self, batch: Floats) -> Floats:
        """See `Runtime.run`."""
        values = quantize(batch, self.input)
        if self._fixed and len(values) != self._batch:
            step = self._batch
            pad = -len(values) % step
            values = np.concatenate([values, np.repeat(values[-1:], pad, axis=0)]) if pad else values
            parts = [self._invoke(values[i : i + step]) for i in range(0, len(values), step)]
            scores = np.concatenate(parts)[: len(batch)] if parts else np.zeros((0, *self.output.shape))
        elif len(values) == 0:
            scores = np.zeros((0, *self.output.shape))
        else:
            scores = self._invoke(values)
        return dequantize(scores, self.output)

    def _invoke(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(values) != self._batch:
            self.interpreter.resize_tensor_input(self._in, values.shape)
            self.interpreter.allocate_tensors()
            self._batch = len(values)
        self.interpreter.set_tensor(self._in, values)
        self.interpreter.invoke()
        return np.asarray(self.interpreter.get_tensor(self._out))


def open_session(path: Path, *, threads: int) -> tuple[Any, str]:
    """Loads a `.onnx` file into ONNX Runtime, on the CPU.

    Returns:
        The `onnxruntime.InferenceSession`, and ONNX Runtime's version.

    Raises:
        ModelError: It can't be loaded.
        MissingExtraError: ONNX Runtime isn't installed.
    """
    onnxruntime = require("onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base but Exception
        raise ModelError(f"'{path}' can't be loaded by onnxruntime: {_line(error)}; export it again") from error
    return session, str(onnxruntime.__version__)


class OnnxRuntime:
    """A `.onnx` file in ONNX Runtime, on the CPU."""

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session, self.version = open_session(path, threads=threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        _one_each(path, len(inputs), len(outputs))
        self._in, self._out = inputs[0].name, outputs[0].name
        self._fixed = inputs[0].shape[0] if isinstance(inputs[0].shape[0], int) else None
        self.input = TensorSpec(_sides(path, inputs[0].shape), "float32")
        self.output = TensorSpec(_sides(path, outputs[0].shape), "float32")
        if inputs[0].type != "tensor(float)":
            raise ModelError(f"'{path}' takes {inputs[0].type}; a model with float input is needed")

    def run(self, batch: Floats) -> Floats:
        """See `Runtime.run`."""
        if self._fixed == 1 and len(batch) != 1:
            parts = [self._run(batch[i : i + 1]) for i in range(len(batch))]
            return np.concatenate(parts) if parts else np.zeros((0, *self.output.shape), np.float32)
        return self._run(batch)

    def _run(self, batch: Floats) -> Floats:
        return np.asarray(self._session.run([self._out], {self._in: batch})[0], np.float32)


class KerasRuntime:
    """A `.keras` file, run by Keras itself: the reference that converted files are compared with."""

    name = "keras"

    def __init__(self, path: Path, *, threads: int) -> None:
        del threads  # Keras takes the backend's own setting
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        keras = require("keras", extra="train")
        self.version = str(keras.__version__)
        try:
            self.model = keras.models.load_model(path, compile=False)
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise ModelError(f"'{path}' can't be loaded by Keras: {_line(error)}; train it again") from error
        self.input = TensorSpec(tuple(int(side) for side in self.model.input_shape[1:]))
        self.output = TensorSpec(tuple(int(side) for side in self.model.output_shape[1:]))

    def run(self, batch: Floats) -> Floats:
        """See `Runtime.run`."""
        if len(batch) == 0:
            return np.zeros((0, *self.output.shape), np.float32)
        if len(batch) <= 256:
            return np.asarray(self.model.predict_on_batch(batch), np.float32)
        return np.asarray(self.model.predict(batch, batch_size=256, verbose=0), np.float32)


# In the order in which they are tried: LiteRT is the maintained one, tflite-runtime runs where
# LiteRT has no wheel (32-bit ARM), TensorFlow brings an interpreter that costs seconds to import.
TFLITE_RUNTIMES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime"),
    "tensorflow": ("tensorflow.lite", "tensorflow"),
}
RUNTIMES = (*TFLITE_RUNTIMES, "onnxruntime", "keras")
_BY_KIND = {"tflite": tuple(TFLITE_RUNTIMES), "onnx": ("onnxruntime",), "keras": ("keras",)}


def model_kind(path: Path) -> str:
    """Tells by its content what a model file is.

    Args:
        path: The file.

    Returns:
        ``"tflite"``, ``"onnx"`` or ``"keras"``.

    Raises:
        ModelError: The file is missing, or is none of them, or its suffix says otherwise.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"can't read the model '{path}': {error.strerror}; give the path of a model file") from error
    kind = ""
    if head[4:8] == b"TFL3":
        kind = "tflite"
    elif head[:4] == b"PK\x03\x04":
        kind = "keras"
    elif head[:1] == b"\x08":  # an ONNX file opens with its ir_version, field 1
        kind = "onnx"
    suffix = path.suffix.lstrip(".")
    if kind == "" or kind != suffix:
        said = f"its suffix says {suffix or 'nothing'}, its content {kind or 'none of them'}"
        raise ModelError(f"'{path}' is no .tflite, .onnx or .keras model: {said}; give one that edgits export wrote")
    return kind


def runtimes_for(path: Path) -> list[str]:
    """Names the installed runtimes that can run a model file, the preferred one first.

    TensorFlow's interpreter is named only where no lighter one is installed: it is the same
    code, and can't share a process with tflite-runtime.
    """
    names = [name for name in _BY_KIND[model_kind(path)] if installed(name)]
    return [name for name in names if name != "tensorflow" or len(names) == 1]


def installed(name: str) -> bool:
    """Tells whether a runtime's package is there; `open_model` proves whether it works."""
    module = TFLITE_RUNTIMES[name][0] if name in TFLITE_RUNTIMES else name
    return importlib.util.find_spec(module.split(".")[0]) is not None


def open_model(path: Path, *, runtime: str | None = None, threads: int = 1) -> Runtime:
    """Loads a model file into a runtime.

    Args:
        path: A `.tflite`, `.onnx` or `.keras` file.
        runtime: One of `RUNTIMES`; by default the first that works with the file.
        threads: Number of threads for one inference.

    Returns:
        The loaded model.

    Raises:
        ModelError: The file is no model, is damaged, or has several inputs or outputs.
        MissingExtraError: No runtime for this kind of file is installed.
    """
    kind = model_kind(path)
    if runtime is not None and runtime not in _BY_KIND[kind]:
        raise ModelError(f"runtime '{runtime}' can't run a {kind} file; choose {' or '.join(_BY_KIND[kind])}")
    if kind == "onnx":
        return OnnxRuntime(path, threads=threads)
    if kind == "keras":
        return KerasRuntime(path, threads=threads)
    problems = []
    for name in [runtime] if runtime else _BY_KIND[kind]:
        module, package = TFLITE_RUNTIMES[name]
        try:
            interpreter = importlib.import_module(module).Interpreter
        except ImportError as error:
            problems.append(f"{name}: {_line(error)}")
            continue
        try:
            return TFLiteRuntime(path, name=name, version=_version(package), interpreter=interpreter, threads=threads)
        except SystemError as error:  # tflite-runtime under numpy 2 imports, then fails here
            problems.append(f"{name}: {_line(error)} (tflite-runtime needs numpy < 2)")
    raise MissingExtraError(f"no TFLite runtime works ({'; '.join(problems)}): pip install ai-edge-litert")


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def _tflite_spec(details: dict[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"][1:])
    return TensorSpec(shape, np.dtype(details["dtype"]).name, float(scale), int(zero_point))


def _sides(path: Path, shape: list[Any]) -> tuple[int, ...]:
    if not all(isinstance(side, int) for side in shape[1:]):
        raise ModelError(f"'{path}' has the open shape {shape}; only its batch axis may be open")
    return tuple(shape[1:])


def _one_each(path: Path, inputs: int, outputs: int) -> None:
    if (inputs, outputs) != (1, 1):
        raise ModelError(f"'{path}' has {inputs} inputs and {outputs} outputs; one of each is needed")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
