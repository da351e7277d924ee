"""Counts, times of operations and explanations, on a small convolutional net that reads by ridge regression."""

import json

import numpy as np
import pytest

from edgits.benchmarks.graph import onnx_graph, tflite_graph
from edgits.benchmarks.op_times import OperationTime, onnx_times, tflite_times
from edgits.benchmarks.why import explain, float_partner, slower_than_float
from edgits.edge.runtimes import open_model, quantize
from edgits.export.recipes import RECIPES
from edgits.export.tflite import convert
from edgits.quiet import quiet

CHANNELS = 6
PARAMETERS = 9 * CHANNELS + CHANNELS + 9 * CHANNELS**2 + CHANNELS + 784 * CHANNELS * 10 + 10
MACS = 784 * 9 * CHANNELS + 784 * 9 * CHANNELS**2 + 784 * CHANNELS * 10
KINDS = ["CONV_2D", "CONV_2D", "FULLY_CONNECTED"]


@pytest.fixture(scope="module")
def net(ridge, digits, tmp_path_factory):
    """A float32 and an int16x8 file of a net whose first channel passes the image through."""
    folder = tmp_path_factory.mktemp("net")
    with quiet():
        import keras

        layers = [keras.layers.Conv2D(CHANNELS, 3, padding="same") for _ in range(2)]
        model = keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(10)])
        for number, layer in enumerate(layers):
            kernel, bias = (np.zeros_like(value) for value in layer.get_weights())
            kernel[1, 1, 0, 0] = 1
            bias[-1] = number  # equal ones would be stored once
            layer.set_weights([kernel, bias])
        dense = np.zeros((784, CHANNELS, 10), np.float32)
        dense[:, 0] = ridge[0]
        model.layers[-1].set_weights([dense.reshape(-1, 10), ridge[1]])
        images = digits.images[-50:, ..., None].astype(np.float32) / 255
        for name in ("float32", "int16x8"):
            convert(model, RECIPES[f"tflite-{name}"].options, images, folder / f"net-{name}.tflite")
    return folder


def test_a_tflite_file_is_counted(net):
    graph = tflite_graph(open_model(net / "net-float32.tflite", runtime="litert").interpreter)
    assert (graph.parameters, graph.macs, graph.quantized) == (PARAMETERS, MACS, False)
    assert [step.name for step in graph.computing] == KINDS
    assert graph.delegate_text() == "XNNPACK 3 of 3"


def test_int16x8_is_seen_off_the_delegate(net):
    graph = tflite_graph(open_model(net / "net-int16x8.tflite", runtime="litert").interpreter)
    assert (graph.parameters, graph.macs, graph.quantized) == (PARAMETERS, MACS, True)
    assert graph.delegate_text().startswith("XNNPACK 0 of ")


@pytest.mark.parametrize("name", ["ridge-float32.onnx"])
def test_an_onnx_file_is_counted(run_folder, name):
    graph = onnx_graph((run_folder / "export" / name).read_bytes())
    assert (graph.parameters, graph.macs, graph.quantized) == (7850, 7840, False)
    assert graph.delegate_text() == ""


@pytest.mark.parametrize("name", ["float32", "int16x8"])
def test_operations_are_timed_one_by_one(net, name):
    path = net / f"net-{name}.tflite"
    model = open_model(path, runtime="litert")
    image = quantize(np.full((1, 28, 28, 1), 0.5, np.float32), model.input)
    times = tflite_times(path.read_bytes(), type(model.interpreter), image, 1)
    assert [step.name for step in times if "QUANTIZE" not in step.name] == KINDS
    assert all(step.us >= 0 for step in times)
    assert {step.delegated for step in times} == {name == "float32"}
    slowest = max(times, key=lambda step: step.us)
    assert slowest.name == "CONV_2D"


def test_onnx_runtime_tells_its_times(run_folder):
    data = (run_folder / "export" / "ridge-float32.onnx").read_bytes()
    times = onnx_times(data, np.zeros((1, 28, 28, 1), np.float32), 1, repeats=20)
    assert "Gemm" in [step.name for step in times] or "FusedMatMul" in [step.name for step in times]
    assert all(step.us >= 0 for step in times)


def test_int16x8_is_explained_as_off_the_delegate(edgits, net, run_folder):
    files = [net / f"net-{name}.tflite" for name in ("float32", "int16x8")]
    data = ("--data", run_folder / "test.npz")
    code, out, err = edgits("benchmark", *files, *data, "--runtime", "litert", "--repeat", "50", "--json")
    assert code == 0, err
    (found,) = json.loads(out)["explanations"]
    assert found["model"] == "net-int16x8.tflite on litert"
    assert found["against"] == "net-float32.tflite on litert"
    assert found["ratio"]["low"] > 2
    assert "none of its" in found["reasons"][0]
    assert "16-bit activations (int16x8)" in found["reasons"][0]


def test_a_latency_limit_fails_with_the_ratio(edgits, net, run_folder):
    files = [net / f"net-{name}.tflite" for name in ("float32", "int16x8")]
    limit = ("--max-latency-ratio", "net-int16x8:net-float32=1.5", "--max-latency-ratio", "net-float32:net-int16x8")
    data = ("--data", run_folder / "test.npz", "--runtime", "litert", "--repeat", "50", "--json")
    code, _, err = edgits("benchmark", *files, *data, *limit)
    assert code == 1
    assert err.startswith("edgits: gate failed: net-int16x8.tflite on litert takes ")
    assert "net-float32.tflite on litert, 1.5 allowed" in err
    assert err.count("takes") == 1


def step(name, us, delegated=True, types=("int8", "int8", "int32", "int8")):
    return OperationTime(name, us, delegated, types)


FLOATS = [step("CONV_2D", 40.0, types=("float32",) * 4), step("FULLY_CONNECTED", 10.0, types=("float32",) * 4)]
HYBRID = ("float32", "int8", "float32", "float32")


@pytest.mark.parametrize(
    ("operations", "features", "says"),
    [
        ([step("CONV_2D", 80.0)], [], "no dot products of 8-bit integers"),
        ([step("CONV_2D", 80.0)], ["NEON dotprod"], "CONV_2D takes 80.0 µs, in float 40.0 µs"),
        ([step("QUANTIZE", 9.0), step("CONV_2D", 40.0)], ["AVX VNNI"], "1 operations only convert"),
        ([step("CONV_2D", 40.0), step("DEPTHWISE_CONV_2D", 90.0, False, HYBRID)], ["AVX VNNI"], "dynamic quantization"),
        ([step("CONV_2D", 40.0), step("FULLY_CONNECTED", 11.0)], ["AVX VNNI"], "no single operation stands out"),
        ([], ["AVX VNNI"], "tells no times"),
    ],
)
def test_reasons_are_what_the_times_show(row, operations, features, says):
    found = explain(row(p50=100.0), row(p50=50.0), operations, FLOATS, features)
    assert any(says in reason for reason in found.reasons), found.reasons
    assert found.ratio.value == pytest.approx(2)


def test_onnx_kinds_are_compared_with_what_they_stand_for(row):
    mine = [OperationTime("QLinearConv", 90.0, False), OperationTime("DequantizeLinear", 30.0, False)]
    found = explain(row(), row(), mine, [OperationTime("Conv", 50.0, False)], ["AVX VNNI"])
    assert found.reasons == (
        "1 operations only convert between float and integer: 30 µs, 25% of its time",
        "Conv takes 90.0 µs, in float 50.0 µs",
    )


def test_a_quantized_row_is_compared_with_the_float_row_of_its_network(row):
    other = row(model="big-float32.tflite", quantized=False, macs=9, p50=1.0)
    half = row(model="small-float16.tflite", quantized=False, p50=50.0)
    exact = row(model="small-float32.tflite", quantized=False, p50=50.0)
    slow, quick, elsewhere = row(p50=70.0), row(p50=51.0), row(p50=70.0, runtime="onnxruntime")
    rows = [other, half, exact, slow, quick, elsewhere]
    assert [float_partner(rows, each) for each in rows] == [None, None, None, 2, 2, None]
    assert slower_than_float(rows) == [(3, 2)]
