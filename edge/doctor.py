"""Examines this machine for what edgits needs: packages, runtimes, board, cameras, display. Changes nothing."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click

from edgits import __version__

_EXTRAS = {
    "train": ("tensorflow", "keras", "sklearn", "pandas", "seaborn", "matplotlib", "openpyxl", "PIL", "mlxtend"),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "web": ("aiohttp", "prometheus_client"),
    "mqtt": ("paho",),
}
_RUNTIMES = {
    "litert": ("ai_edge_litert", "ai-edge-litert", ".tflite"),
    "tflite-runtime": ("tflite_runtime", "tflite-runtime", ".tflite"),
    "onnxruntime": ("onnxruntime", "onnxruntime", ".onnx"),
}
# What speeds quantized models up, as /proc/cpuinfo calls it.
_FEATURES = ("neon", "asimd", "asimdhp", "asimddp", "i8mm", "avx2", "avx512_vnni", "avx_vnni")
# 32-bit ARM has no wheels of LiteRT and OpenCV.
_FIX_RUNTIME, _FIX_PACKAGES = (
    ("pip install ai-edge-litert", "pip install --force-reinstall opencv-python-headless numpy")
    if sys.maxsize > 2**32
    else ("pip install tflite-runtime", "sudo apt install --reinstall python3-opencv python3-numpy")
)
_PROBE_SECONDS = 60  # a Pi Zero 2 needs some ten to import a runtime


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: Part of the report it belongs to.
        name: What was looked at.
        state: ``"ok"``, ``"note"`` (fine for most), ``"bad"`` (something won't work).
        found: What is there.
        fix: The command or step that mends it; empty where nothing needs to be.
    """

    topic: str
    name: str
    state: Literal["ok", "note", "bad"]
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Looks at everything; takes a second or two, since runtimes are tried in processes of their own."""
    return [*_system(), *_packages(), *_runtimes(), *_extras(), *_cameras(), *_display()]


def can_run(findings: Sequence[Finding]) -> bool:
    """Tells whether `edgits live` can run: a runtime works, and numpy and OpenCV do."""
    works = any(finding.topic == "runtimes" and finding.state == "ok" for finding in findings)
    return works and not any(finding.topic == "packages" and finding.state == "bad" for finding in findings)


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Returns the findings as JSON values."""
    return {"can_run": can_run(findings), "findings": [asdict(finding) for finding in findings]}


def render(findings: Sequence[Finding]) -> str:
    """Returns the findings as a page for a terminal, in colours that click drops where there is none."""
    mark = {
        "ok": click.style("✓", fg="green"),
        "note": click.style("·", fg="yellow"),
        "bad": click.style("✗", fg="red", bold=True),
    }
    width = max(len(finding.name) for finding in findings)
    lines, topic = [], ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", click.style(topic, bold=True)]
        lines.append(f"  {mark[finding.state]} {finding.name:<{width}}  {finding.found}")
        if finding.fix:
            lines.append(f"    {'':<{width}}  {click.style('→ ' + finding.fix, fg='cyan')}")
    bad = sum(finding.state == "bad" for finding in findings)
    verdict = "edgits live can run" if can_run(findings) else "edgits live can't run yet"
    wrong = f", {bad} thing{'s' * (bad != 1)} to mend (✗)" if bad else ""
    colour = "red" if not can_run(findings) else "yellow" if bad else "green"
    return "\n".join([*lines[1:], "", click.style(verdict + wrong, fg=colour, bold=True)])


def _system() -> list[Finding]:
    board = _read("/sys/firmware/devicetree/base/model").rstrip("\0") or f"{platform.system()} {platform.machine()}"
    words = set(_read("/proc/cpuinfo").split())
    features = " ".join(name for name in _FEATURES if name in words) or "none of those that matter here"
    return [
        Finding("machine", "board", "ok", f"{board}, {os.cpu_count()} cores"),
        Finding("machine", "CPU features", "ok", features),
        Finding("machine", "Python", "ok", f"{platform.python_version()} ({sys.executable})"),
        Finding("machine", "edgits", "ok", __version__),
    ]


def _packages() -> list[Finding]:
    findings = []
    for name, module in (("numpy", "numpy"), ("OpenCV", "cv2")):
        done, said = _try(f"import {module}; print({module}.__version__)")
        fix = "" if done else _FIX_PACKAGES
        findings.append(Finding("packages", name, "ok" if done else "bad", said, fix))
    names = [name for name in ("opencv-python", "opencv-python-headless") if _version(name)]
    if len(names) > 1 and _try("from edgits.edge.sinks import has_windows; print(has_windows())")[1] == "False":
        fix = "pip install --force-reinstall --no-deps opencv-python"
        findings.append(Finding("packages", "two OpenCVs", "note", " and ".join(names), fix))
    numpy, tflite = _version("numpy"), _version("tflite-runtime")
    if tflite and numpy and int(numpy.split(".")[0]) >= 2:
        found = f"tflite-runtime {tflite} can't work with numpy {numpy}"
        fix = "pip install ai-edge-litert; where that has no wheel: pip install 'numpy<2' 'opencv-python-headless<4.12'"
        findings.append(Finding("packages", "numpy clash", "note" if _version("ai-edge-litert") else "bad", found, fix))
    return findings


def _runtimes() -> list[Finding]:
    """Proves each runtime by running a shipped model in it, each in a process of its own: some clash, some crash."""
    from edgits.edge.recognizer import shipped_models

    findings = []
    shipped = list(shipped_models().values())
    for name, (module, package, suffix) in _RUNTIMES.items():
        if importlib.util.find_spec(module) is None:
            continue
        version = _version(package) or "of unknown version"
        model = next((path for path in shipped if path.suffix == suffix), None)
        code = f"import {module}" if model is None else _RUN.format(model=str(model), name=name)
        done, said = _try(code)
        proof = f"ran {model.name}" if model else f"imports; not run, since no {suffix} model is shipped"
        found = f"{version}, {proof if done else said}"
        fix = "" if done else f"pip install --force-reinstall {package}"
        findings.append(Finding("runtimes", name, "ok" if done else "bad", found, fix))
    if not findings:
        found = "neither LiteRT, tflite-runtime nor onnxruntime is installed"
        findings.append(Finding("runtimes", "none", "bad", found, _FIX_RUNTIME))
    return findings


_RUN = """
import numpy as np
from pathlib import Path
from edgits.edge.runtimes import open_model
model = open_model(Path({model!r}), runtime={name!r})
assert np.isfinite(model.run(np.zeros((1, *model.input.shape), np.float32))).all(), "its answers are not finite"
"""


def _extras() -> list[Finding]:
    findings = []
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        found = "complete" if not missing else f"missing {', '.join(missing)}"
        fix = f"pip install 'edgits[{extra}]'" if missing else ""
        findings.append(Finding("extras", extra, "note" if missing else "ok", found, fix))
    return findings


def _cameras() -> list[Finding]:
    findings = []
    for device in sorted(map(str, Path("/dev").glob("video*")), key=lambda name: (len(name), name)):
        label = _read(f"/sys/class/video4linux/{Path(device).name}/name").strip() or "camera"
        if os.access(device, os.R_OK | os.W_OK):
            findings.append(Finding("cameras", device, "ok", label))
        else:
            fix = "sudo usermod -aG video $USER, then log in again"
            findings.append(Finding("cameras", device, "bad", f"{label}: permission denied", fix))
    if shutil.which("rpicam-hello") or shutil.which("libcamera-hello"):
        findings.append(_csi())
    if not findings:
        found = "none; videos, images, streams and the scene work without one"
        findings.append(
            Finding("cameras", "camera", "note", found, "plug in a camera, or try: edgits live --source scene")
        )
    return findings


def _csi() -> Finding:
    """Imports picamera2: Debian's is compiled for Debian's NumPy, and fails beside a newer one."""
    if importlib.util.find_spec("picamera2") is None:
        fix = "sudo apt install python3-picamera2; make the environment with --system-site-packages"
        return Finding("cameras", "csi", "note", "picamera2 isn't installed", fix)
    done, said = _try("import picamera2")
    if done:
        return Finding("cameras", "csi", "ok", "picamera2 works")
    fix = "pip install 'numpy<2'" if "numpy" in said else "sudo apt install --reinstall python3-picamera2"
    return Finding("cameras", "csi", "bad", f"picamera2 can't be imported: {said}", fix)


def _display() -> list[Finding]:
    code = "from edgits.edge.sinks import why_no_window; print(why_no_window() or '')"
    done, said = _try(code)
    if done and not said:
        return [Finding("display", "window", "ok", "can be shown")]
    found, _, fix = said.partition(": ")
    return [Finding("display", "window", "note", found, fix)]


def _try(code: str) -> tuple[bool, str]:
    """Runs Python code in a process of its own; returns whether it went well, and its last line."""
    try:
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"hangs: no answer in {_PROBE_SECONDS} s"
    if run.returncode < 0:
        return False, f"crashes with signal {-run.returncode}"
    text = (run.stdout if run.returncode == 0 else run.stderr).strip()
    return run.returncode == 0, re.sub(r"\s+", " ", text.splitlines()[-1])[:160] if text else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
