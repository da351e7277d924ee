"""Plants small faults in the arithmetic that readings hang on and counts which the tests notice: `make mutation`.

mutmut wants a package in a folder of its own name, so it works on a copy, laid out as the installed package is. What
is mutated, and the tests that run, stand in pyproject.toml under `tool.mutmut`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parents[1]
# Of two modules the arithmetic alone: quantization parameters, and the comparison of two models' answers.
_MUTANTS = (
    "edgits.normalize.*", "edgits.card.*", "edgits.stats.*", "edgits.edge.track.*", "edgits.edge.settle.*",
    "edgits.edge.layout.*",
    "edgits.train.calibrate.*", "edgits.benchmarks.rows.x_compare__*", "edgits.edge.runtimes.x_quantize__*",
    "edgits.edge.runtimes.x_dequantize__*", "edgits.edge.runtimes.x__tflite_spec__*",
    "edgits.edge.runtimes.xǁTFLiteRuntimeǁrun__*", "edgits.edge.runtimes.xǁTFLiteRuntimeǁ_invoke__*",
)  # fmt: skip
# What is neither: a mutant that no test reaches counts as surviving, one that hangs as killed.
_KILLED = ("killed", "timeout", "segfault", "caught by type check")
# cv2's own threads don't outlive the fork that each mutant runs in
_ENVIRONMENT = {"CI": "1", "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


def copy_to(place: Path) -> None:
    """Lays the package, its tests and its settings out as mutmut expects them."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / ".typecheck/edgits", place / "edgits", ignore=ignored)  # follows the links
    shutil.copytree(ROOT / "tests", place / "tests", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)


def main() -> int:
    """Runs it; exit code 1 where fewer are killed than asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mutants", nargs="*", help="names or patterns, such as 'edgits.stats.*'; by default all")
    parser.add_argument("--least", type=float, default=0.8, help="share of each module's mutants that must be killed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_to(place)
        mutmut = [sys.executable, "-m", "mutmut"]
        settings = {"cwd": place, "env": os.environ | _ENVIRONMENT}
        subprocess.run([*mutmut, "run", *(options.mutants or _MUTANTS)], check=True, **settings)
        shares = []
        for path in sorted((place / "mutants/edgits").rglob("*.meta")):
            found = json.loads(path.read_text())["exit_code_by_key"]
            states = {name: status_by_exit_code[code] for name, code in found.items() if code is not None}
            survivors = [name for name, state in states.items() if state not in _KILLED]
            for name in survivors:
                subprocess.run([*mutmut, "show", name], check=True, **settings)
            if states:
                shares.append(1 - len(survivors) / len(states))
                module = path.relative_to(place / "mutants").with_suffix("")
                told = ", ".join(f"{count} {state}" for state, count in Counter(states.values()).most_common())
                sys.stdout.write(f"{module}: {len(states)} mutants, {shares[-1]:.1%} killed ({told})\n")
                sys.stdout.flush()
    return int(min(shares, default=0) < options.least)


if __name__ == "__main__":
    sys.exit(main())
