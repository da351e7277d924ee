"""A run folder whose model needs no training: ridge regression in closed form, right on five of six digits."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from edgits.benchmarks.machine import describe_machine
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.op_times import OperationTime
from edgits.benchmarks.robustness import Robustness
from edgits.benchmarks.rows import BenchmarkRow, Cost, Latency, compare
from edgits.benchmarks.sustain import Slice, Sustained
from edgits.benchmarks.why import explain
from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS, Dataset
from edgits.export.exporter import export
from edgits.export.recipes import select
from edgits.export.source import load_source
from edgits.normalize import Normalization
from edgits.quiet import quiet

NORMALIZATION = Normalization("resize")
FORMATS = ["tflite-float32", "tflite-int8", "onnx-float32"]
TEST_IMAGES = 300


def write_model(path: Path, weights: np.ndarray, bias: np.ndarray, *, labels=DIGITS, card=True) -> Path:
    """Writes a linear model, weights (784, classes), as a .keras file with its card."""
    with quiet():
        import keras

        model = keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(weights.shape[1])]
        )
        model.set_weights([weights, bias])
        model.save(path)
    if card:
        ModelCard(
            name="ridge",
            format="keras",
            labels=labels,
            input=TensorSpec((28, 28, 1)),
            output=TensorSpec((len(labels),)),
            normalization=NORMALIZATION,
            temperature=0.1,
            reject_threshold=0.2,
            parameters=7850,
            macs=7840,
        ).save(path)
    return path


@pytest.fixture(scope="session")
def digits(mnist5k):
    order = np.random.default_rng(0).permutation(len(mnist5k))
    return mnist5k.take(order)


@pytest.fixture(scope="session")
def ridge(digits):
    """Weights (784, 10) and bias (10,)."""
    train = digits.take(np.arange(1000, 4000))
    inputs = NORMALIZATION.batch(train.images).reshape(len(train), -1)
    inputs = np.hstack([inputs, np.ones((len(train), 1))])
    truth = np.eye(10)[train.labels]
    found = np.linalg.solve(inputs.T @ inputs + 20 * np.eye(785), inputs.T @ truth).astype(np.float32)
    return found[:-1], found[-1]


@pytest.fixture(scope="session")
def make_run(digits, ridge, tmp_path_factory):
    """Makes a run folder, exported, of a model whose weights a function may have damaged."""

    def make(damage=lambda weights, bias: (weights, bias), formats=FORMATS):
        folder = tmp_path_factory.mktemp("run")
        write_model(folder / "model.keras", *damage(*ridge))
        held = digits.take(np.arange(TEST_IMAGES))
        np.savez(folder / "test.npz", images=held.images, labels=held.labels)
        np.savez(folder / "calibration.npz", images=digits.images[-200:], labels=digits.labels[-200:])
        export(load_source(folder), select(formats), folder / "export")
        return folder

    return make


@pytest.fixture(scope="session")
def run_folder(make_run):
    return make_run()


@pytest.fixture(scope="session")
def row():
    """Makes a row of a benchmark."""

    def make(comparison=None, *, p50=50.0, rounds=None, cost=(), **changes):
        rounds = (p50,) * 10 if rounds is None else rounds
        costs = {"batch": 32, "images_per_s": 30_000.0, "load_ms": 12.3456, "first_ms": 0.5, "memory_mb": 64.0}
        fields = {
            "model": "small-int8.tflite",
            "path": "export/small-int8.tflite",
            "format": "tflite-int8",
            "runtime": "litert",
            "version": "2.3.0",
            "threads": 1,
            "bytes": 61_000,
            "parameters": 50_000,
            "macs": 1_000_000,
            "n": 1000,
            "correct": 980,
            "latency": Latency(
                p50_us=p50,
                p90_us=p50 * 1.1,
                p95_us=p50 * 1.2,
                p99_us=p50 * 1.5,
                rounds_us=tuple(rounds),
                call_us=p50 + 8,
                repeats=1000,
            ),
            "cost": Cost(**costs | {"energy_mj": None} | dict(cost)),
            "delegate": "XNNPACK 8 of 8",
            "quantized": True,
            "comparison": comparison,
        }
        return BenchmarkRow(**fields | changes)

    return make


@pytest.fixture(scope="session")
def outcome(row):
    """A whole benchmark, planted: int8 answers 12 of 1,000 otherwise, int16x8 is slow, int8 bears spoiling worse."""
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 10
    reference = np.where(rng.random(1000) < 0.01, (labels + 1) % 10, labels)
    int8 = np.where(rng.random(1000) < 0.012, (labels + 7) % 10, reference)
    answers = [reference, reference, int8, reference]
    names = ("=model.keras", "small-float32.tflite", "small-int8.tflite", "small-int16x8.tflite")
    p50s, sizes = (900.0, 50.0, 52.0, 2400.0), (800_000, 240_000, 75_000, 80_000)
    rows, samples = [], []
    for place, (name, found, p50) in enumerate(zip(names, answers, p50s, strict=True)):
        samples.append(p50 * rng.lognormal(0, 0.1, 1000) + rng.exponential(p50 / 20, 1000))
        made = row(
            compare(found, reference, labels) if place else None,
            model=name,
            path=f"run/{name}",
            runtime="keras" if place == 0 else "litert",
            threads=min(place, 1),
            bytes=sizes[place],
            correct=int((found == labels).sum()),
            latency=Latency.of(samples[-1].reshape(10, 100).tolist(), (samples[-1] + 5).tolist()),
            delegate=("", "XNNPACK 8 of 8", "XNNPACK 8 of 8", "XNNPACK 0 of 8")[place],
            quantized=place > 1,
        )
        rows.append(made)
    slow = [OperationTime("CONV_2D", 2300.0, False, ("int16", "int8", "int64", "int16"))]
    quick = [OperationTime("CONV_2D", 45.0, True, ("float32",) * 4)]
    right = rng.random((4, 15, 5, 200)) < np.linspace(0.99, 0.6, 5)[:, None]
    right[1:] = right[0]
    right[2] &= rng.random(right[2].shape) < 0.97
    degrees = [50 + place / 2 for place in range(60)]
    slices = [
        Slice(4.0 * at + place, place, p50 * (1 + at / 100), 1.2 * p50, 1500 - 5 * at, degrees[at], [])
        for at in range(60)
        for place, p50 in enumerate(p50s)
    ]
    machine = describe_machine() | {"meter": "board, ina219", "board": "Raspberry Pi 5 Model B"}
    state = {"clock_mhz": 2400, "temperature_c": 51.0, "throttled": [], "load": 0.1}
    machine |= {"before": state, "after": state | {"temperature_c": 63.5}}
    during = {
        "clock_mhz": [1500, 2400],
        "temperature_c": [51.0, 80.5],
        "throttled": ["throttled now"],
        "load": [0.1, 1],
    }
    return Benchmark(
        rows=rows,
        left_out=["model.onnx in onnxruntime: it isn't installed"],
        data=Dataset(np.zeros((1000, 28, 28), np.uint8), labels, provenance={"source": "planted"}),
        answers=answers,
        samples=samples,
        conventions={"small-int8.tflite": "pixels 0 to 255, normalised by resize"},
        explanations=[explain(rows[3], rows[1], slow, quick, machine["features"])],
        robustness=Robustness(names, np.ones((4, 200), bool), right),
        sustained=Sustained(tuple(each.name for each in rows), tuple(slices)),
        machine=machine | {"during": during},
    )
