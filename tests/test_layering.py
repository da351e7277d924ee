"""The import rule: which stage may import which, and that nothing heavy is loaded by importing a module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("core", "edge", "train", "export", "benchmarks")
FILES = [path for stage in STAGES for path in sorted((ROOT / stage).rglob("*.py"))]

# stage → what it may import of others, as module prefixes
MAY_IMPORT = {
    "core": (),
    "edge": (),
    "train": (),
    "export": ("edgits.edge", "edgits.train.data"),
    "benchmarks": ("edgits.edge", "edgits.train.data", "edgits.train.report"),
}
# Only imported inside the function that needs them
HEAVY = {
    *("tensorflow", "keras", "sklearn", "scipy", "pandas", "seaborn", "matplotlib", "openpyxl", "mlxtend", "PIL"),
    *("onnx", "onnxruntime", "tf2onnx", "ai_edge_litert", "tflite_runtime"),
}


def imports(node, *, inside=False):
    """Yields (module, whether it is inside a function) for every import but those for type checkers."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for other in node.orelse:
            yield from imports(other, inside=inside)
        return
    if isinstance(node, ast.Import):
        yield from ((alias.name, inside) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute: edgits.…"
        yield from ((f"{node.module}.{alias.name}", inside) for alias in node.names)
    inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from imports(child, inside=inside)


def stage_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in STAGES else "core"


def faults(source, stage):
    found = []
    for module, inside in imports(ast.parse(source)):
        top = module.partition(".")[0]
        if top in STAGES:
            found.append(f"{module} is imported by its folder's name")
        if top == "edgits" and stage_of(module) not in ("core", stage):
            allowed = any(f"{module}.".startswith(f"{prefix}.") for prefix in MAY_IMPORT[stage])
            found += [] if allowed else [f"{stage} imports {module}"]
        if top in HEAVY and not inside:
            found.append(f"{module} is imported when the module is")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_the_rule(path):
    assert faults(path.read_text(), path.relative_to(ROOT).parts[0]) == []


@pytest.mark.parametrize(
    ("stage", "source"),
    [
        ("core", "from edgits.edge import recognizer"),
        ("core", "def f():\n    import edgits.train.data"),
        ("edge", "from edgits.train.data import load_dataset"),
        ("train", "from edgits import edge"),
        ("export", "from edgits.train.fit import fit_run"),
        ("export", "from edgits.train import fit"),
        ("benchmarks", "from edgits.export.exporter import export"),
        ("edge", "import train"),
        ("edge", "import pandas as pd"),
        ("train", "if True:\n    from matplotlib import pyplot"),
        ("train", "class A:\n    import keras.layers"),
    ],
)
def test_the_rule_finds_a_planted_fault(stage, source):
    assert len(faults(source, stage)) == 1


@pytest.mark.parametrize(
    ("stage", "source"),
    [
        ("core", "from edgits import files\nfrom edgits.errors import DataError"),
        (
            "export",
            "from edgits.train.data import load_dataset\nfrom edgits.train import data\nimport edgits.edge.runtimes",
        ),
        ("train", "def f():\n    import keras\n    from matplotlib import pyplot"),
        ("train", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("edge", "import cv2, numpy\nfrom edgits.edge.runtimes import Runtime"),
    ],
)
def test_the_rule_lets_through_what_is_right(stage, source):
    assert faults(source, stage) == []


def test_core_names_stages_only_where_they_are_loaded_on_demand():
    """By name, `importlib` gets around the rule: only the command group and the package's own front may."""
    named = {
        path.name
        for path in FILES
        if path.parent.name == "core"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if any(re.match(rf"edgits\.{stage}\b", node.value) for stage in STAGES)
    }
    assert named <= {"__init__.py", "cli.py"}


def test_every_stage_has_modules():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(STAGES)
