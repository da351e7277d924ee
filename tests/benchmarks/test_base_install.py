"""What works where only the base is installed, as on a Pi: no TensorFlow, no plots, no ONNX."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edgits.cli import COMMANDS

EXTRAS = (
    *("tensorflow", "keras", "sklearn", "scipy", "pandas", "seaborn", "matplotlib", "openpyxl", "mlxtend", "PIL"),
    *("onnx", "onnxruntime", "tf2onnx", "torch", "jax", "hypothesis", "pytest"),
)
# Python finds no package of an extra, neither by import nor by find_spec, as if it weren't installed.
WITHOUT_EXTRAS = f"""
import importlib.machinery, sys
absent = {EXTRAS!r}
real = importlib.machinery.PathFinder.find_spec.__func__
def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in absent else real(cls, name, path, target)
importlib.machinery.PathFinder.find_spec = classmethod(find_spec)
"""


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + code, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def edgits(*arguments):
    return python("from edgits.cli import main\nmain()", *arguments)


def test_the_extras_are_really_absent():
    result = python("import importlib.util\nprint([name for name in absent if importlib.util.find_spec(name)])")
    assert result.stdout == "[]\n"
    assert "No module named 'keras'" in python("import keras").stderr


def test_help_of_every_command_works():
    code = """
from edgits.cli import COMMANDS, cli
for command in (None, *COMMANDS):
    cli.main([command, "--help"] if command else ["--help"], prog_name="edgits", standalone_mode=False)
"""
    result = python(code)
    assert result.returncode == 0, result.stderr
    for command in COMMANDS:
        assert f"Usage: edgits {command}" in result.stdout


def test_help_loads_nothing_heavy():
    code = """
from edgits.cli import cli
cli.main(["--help"], standalone_mode=False)
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
    result = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, timeout=60)
    loaded = set(json.loads(result.stdout.splitlines()[-1].replace("'", '"')))
    assert "edgits" in loaded
    assert loaded & {*EXTRAS, "ai_edge_litert", "tflite_runtime"} == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "DATA"),
        ("evaluate", "MODEL", "DATA", "--out", "OUT"),
        ("export", "RUN"),
        ("demo", "--out", "OUT"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(run_folder, tmp_path, arguments):
    real = {
        "DATA": run_folder / "test.npz",
        "RUN": run_folder,
        "MODEL": run_folder / "export/ridge-float32.tflite",
        "OUT": tmp_path / "out",
    }
    result = edgits(*[real.get(argument, argument) for argument in arguments])
    assert result.returncode == 2, result.stderr
    assert "pip install 'edgits[train]'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_predict_reads_with_an_artifact(run_folder, digits, tmp_path):
    image = cv2.copyMakeBorder(255 - digits.images[0], 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=255)
    cv2.imwrite(str(tmp_path / "digit.png"), image)
    model = run_folder / "export/ridge-int8.tflite"
    result = edgits("predict", tmp_path / "digit.png", "--model", model, "--json")
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)) >= {"source", "width", "height", "digits", "text", "latency_ms"}


def test_evaluate_and_benchmark_run_without_extras(run_folder):
    lite = run_folder / "export/ridge-int8.tflite"
    result = edgits("evaluate", lite, run_folder / "test.npz", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["accuracy"] > 0.75


def test_a_file_of_a_missing_runtime_says_what_to_install(run_folder, tmp_path):
    np.savez(tmp_path / "data.npz", images=np.zeros((2, 28, 28), np.uint8), labels=np.arange(2))
    result = edgits("evaluate", run_folder / "export/ridge-float32.onnx", tmp_path / "data.npz")
    assert result.returncode == 2
    assert "pip install 'edgits[onnx]'" in result.stderr
