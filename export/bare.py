"""Runs a model file in one runtime, as a script of its own: it imports nothing of edgits, only NumPy and the runtime.

So it also runs where edgits can't, in an environment with an old runtime. It knows no card: the parent
normalises the images and judges the answers.
"""

import sys
from collections.abc import Callable
from typing import Any

if __name__ == "__main__" and sys.argv[1]:  # NumPy, too, is that of the folder
    sys.path.insert(0, sys.argv[1])

import numpy as np

REFUSED = 3
_Run = Callable[[Any], Any]


def _to_own(values: Any, quantization: tuple[float, int], dtype: Any) -> Any:
    scale, zero = quantization
    if not scale:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(dtype)


def _to_real(values: Any, quantization: tuple[float, int]) -> Any:
    scale, zero = quantization
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values.astype(np.float32)


def _tflite(interpreter_class: Any, data: bytes) -> _Run:
    interpreter = interpreter_class(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    fixed = entry["shape_signature"][0] > 0

    def run(batch: Any) -> Any:
        if not fixed:
            interpreter.resize_tensor_input(entry["index"], batch.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], _to_own(batch, entry["quantization"], entry["dtype"]))
        interpreter.invoke()
        return _to_real(interpreter.get_tensor(end["index"]), end["quantization"])

    return _one_by_one(run) if fixed else run


def _one_by_one(run: _Run) -> _Run:
    return lambda batch: np.concatenate([run(batch[i : i + 1]) for i in range(len(batch))])


def _litert(data: bytes) -> tuple[str, _Run]:
    import ai_edge_litert
    import ai_edge_litert.interpreter as litert

    return str(getattr(ai_edge_litert, "__version__", "")), _tflite(litert.Interpreter, data)


def _tflite_runtime(data: bytes) -> tuple[str, _Run]:
    import tflite_runtime
    import tflite_runtime.interpreter as tflite

    return str(tflite_runtime.__version__), _tflite(tflite.Interpreter, data)


def _tensorflow(data: bytes) -> tuple[str, _Run]:
    import tensorflow as tf

    return str(tf.__version__), _tflite(tf.lite.Interpreter, data)


def _micro(data: bytes) -> tuple[str, _Run]:
    import tflite_micro

    interpreter = tflite_micro.runtime.Interpreter.from_bytes(data, arena_size=1 << 22)

    def own(details: dict[str, Any]) -> tuple[float, int]:
        scales, zeros = (details["quantization_parameters"][key] for key in ("scales", "zero_points"))
        return (float(scales[0]), int(zeros[0])) if len(scales) else (0.0, 0)

    entry, end = interpreter.get_input_details(0), interpreter.get_output_details(0)

    def run(batch: Any) -> Any:
        interpreter.set_input(_to_own(batch, own(entry), entry["dtype"]), 0)
        interpreter.invoke()
        return _to_real(interpreter.get_output(0), own(end))

    return str(tflite_micro.__version__), _one_by_one(run)


def _onnxruntime(data: bytes) -> tuple[str, _Run]:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    name, sides = session.get_inputs()[0].name, session.get_inputs()[0].shape

    def run(batch: Any) -> Any:
        return session.run(None, {name: batch})[0]

    return str(onnxruntime.__version__), _one_by_one(run) if sides[0] == 1 else run


def _opencv(data: bytes) -> tuple[str, _Run]:
    import cv2

    read = cv2.dnn.readNetFromTFLite if data[4:8] == b"TFL3" else cv2.dnn.readNetFromONNX
    network = read(np.frombuffer(data, np.uint8))

    def run(batch: Any) -> Any:
        network.setInput(batch)
        return network.forward()

    return str(cv2.__version__), run


RUNTIMES = {
    "litert": _litert,
    "tflite-runtime": _tflite_runtime,
    "tensorflow": _tensorflow,
    "tflite-micro": _micro,
    "onnxruntime": _onnxruntime,
    "opencv": _opencv,
}


def main(arguments: list[str]) -> int:
    """Runs in the child; the arguments are folder of packages, runtime, model, file of inputs, file of outputs."""
    _, runtime, model, inputs, outputs = arguments
    with np.load(inputs) as stored:
        batches = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    try:
        with open(model, "rb") as file:
            version, run = RUNTIMES[runtime](file.read())
        scores = [np.asarray(run(batch), np.float32).reshape(len(batch), -1) for batch in batches]
    except Exception as error:  # each runtime has its own kinds
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}\n")
        return REFUSED
    np.savez(outputs, *scores, version=np.array(version))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
