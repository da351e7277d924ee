"""Arrays in, scores out: the arithmetic of quantization, and batches of any size on files of fixed batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.card import TensorSpec
from edgits.edge.runtimes import TFLiteRuntime, dequantize, quantize

INT8 = TensorSpec((1,), "int8", 0.5, 10)
FLOAT = TensorSpec((1,))


def test_steps_of_the_scale_from_the_zero_point_and_no_further_than_the_type():
    values = np.array([0, 0.5, -0.5, 0.7, 0.8, 1000, -1000], np.float32)
    steps = quantize(values, INT8)
    assert steps.dtype == np.int8
    assert steps.tolist() == [10, 11, 9, 11, 12, 127, -128]
    assert quantize(values, TensorSpec((1,), "uint8", 0.5, 10)).tolist() == [10, 11, 9, 11, 12, 255, 0]


def test_real_values_of_steps():
    values = dequantize(np.array([10, 11, -128, 127], np.int8), INT8)
    assert values.dtype == np.float32
    assert values.tolist() == [0, 0.5, -69, 58.5]


def test_what_is_not_quantized_changes_its_type_alone():
    values = np.array([0.25, -3], np.float32)
    assert quantize(values, FLOAT).tolist() == [0.25, -3]
    assert quantize(values, TensorSpec((1,), "float16")).dtype == np.float16
    assert dequantize(values.astype(np.float64), FLOAT).tolist() == [0.25, -3]
    assert dequantize(values.astype(np.float64), FLOAT).dtype == np.float32


@given(st.floats(1e-3, 2), st.integers(-128, 127), st.floats(-1, 1))
def test_there_and_back_is_off_by_half_a_step_at_most(scale, zero_point, share):
    spec = TensorSpec((1,), "int8", scale, zero_point)
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    value = np.array([low + (share + 1) / 2 * (high - low)], np.float32)
    assert abs(dequantize(quantize(value, spec), spec) - value)[0] <= 0.501 * scale


class Interpreter:
    """Adds 1 to what it is given, so many images at a time as it was allocated for; TensorFlow Lite's interface."""

    batch, signature = 1, 1

    def __init__(self, *, model_content, num_threads):
        assert model_content == b"model"
        assert num_threads == 3
        self.given = 0
        self.calls = []

    def allocate_tensors(self):
        self.ready = self.batch

    def get_input_details(self):
        shape = {"shape": np.array([self.batch, 2]), "shape_signature": np.array([self.signature, 2])}
        return [shape | {"index": 5, "dtype": np.int8, "quantization": (0.5, 10)}]

    def get_output_details(self):
        return [{"index": 7, "dtype": np.int8, "quantization": (0.25, -3), "shape": np.array([self.batch, 2])}]

    def resize_tensor_input(self, index, shape):
        assert index == 5
        self.batch = shape[0]

    def set_tensor(self, index, values):
        assert index == 5
        assert values.shape == (self.ready, 2)
        assert values.dtype == np.int8
        self.given = values

    def invoke(self):
        self.calls.append(len(self.given))

    def get_tensor(self, index):
        assert index == 7
        return self.given + np.int8(1)


@pytest.mark.parametrize(("batch", "signature", "images", "calls"), [
    (1, -1, 3, [3]),
    (1, -1, 1, [1]),
    (1, -1, 0, []),
    (1, 1, 3, [1, 1, 1]),
    (4, 4, 4, [4]),
    (4, 4, 5, [4, 4]),
    (4, 4, 6, [4, 4]),
    (4, 4, 8, [4, 4]),
    (4, 4, 0, []),
    (2, None, 3, [2, 2]),
])  # fmt: skip
def test_batches_of_any_size_run_on_any_file(tmp_path, batch, signature, images, calls):
    class Made(Interpreter):
        def get_input_details(self):
            details = super().get_input_details()
            if signature is None:  # the oldest interpreters tell no signature
                del details[0]["shape_signature"]
            return details

    Made.batch, Made.signature = batch, signature
    path = tmp_path / "model.tflite"
    path.write_bytes(b"model")
    runtime = TFLiteRuntime(path, name="made", version="1", interpreter=Made, threads=3)
    assert runtime.input == TensorSpec((2,), "int8", 0.5, 10)
    assert runtime.output == TensorSpec((2,), "int8", 0.25, -3)
    values = np.arange(2 * images, dtype=np.float32).reshape(images, 2)
    scores = runtime.run(values)
    assert scores.dtype == np.float32
    assert scores.shape == (images, 2)
    assert scores.tolist() == (((values / 0.5 + 10 + 1) + 3) * 0.25).tolist()
    assert runtime.interpreter.calls == calls
    assert runtime.run(values).tolist() == scores.tolist(), "the next run, too"
