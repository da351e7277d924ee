"""What a measurement was made on: processor, clock, heat, load, versions. Changes none of them."""

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from edgits import __version__

_PACKAGES = ("numpy", "ai-edge-litert", "tflite-runtime", "onnxruntime", "tensorflow", "tensorflow-cpu", "keras")
_ROOT = Path("/")


def describe_machine(root: Path = _ROOT) -> dict[str, Any]:
    """Returns what doesn't change while a benchmark runs.

    Args:
        root: Folder that has `proc` and `sys`.

    Returns:
        JSON values: ``board`` (None on a PC), ``cpu``, ``architecture``, ``cores``, ``memory_mb``,
        ``governor`` (None where the system has none), ``system``, ``python``, ``edgits``, ``packages``.
    """
    memory = re.search(r"MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"))
    return {
        "board": _text(root / "proc/device-tree/model").strip("\0 \n") or None,
        "cpu": _cpu_model(_text(root / "proc/cpuinfo")),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": round(int(memory[1]) * 1024 / 1e6) if memory else None,
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "edgits": __version__,
        "packages": dict(sorted(_versions())),
    }


def machine_state(root: Path = _ROOT) -> dict[str, Any]:
    """Returns what drifts while a benchmark runs.

    Args:
        root: Folder that has `proc` and `sys`.

    Returns:
        JSON values, None where the system doesn't tell: ``clock_mhz``, ``temperature_c`` (the
        warmest zone), ``load`` (processes ready to run, mean of the last minute).
    """
    clock = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").strip()
    listed = re.search(r"cpu MHz\s*: ([\d.]+)", _text(root / "proc/cpuinfo"))
    zones = [_text(zone).strip() for zone in (root / "sys/class/thermal").glob("thermal_zone*/temp")]
    degrees = [int(zone) / 1000 for zone in zones if re.fullmatch(r"-?\d+", zone)]
    return {
        "clock_mhz": round(int(clock) / 1000) if clock.isdecimal() else round(float(listed[1])) if listed else None,
        "temperature_c": max(degrees, default=None),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_model(cpuinfo: str) -> str:
    # "Model" is the board in a Pi's cpuinfo, so the processor there is known by its part number only
    named = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    part = re.search(r"^CPU part\s*: (\S+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    return f"{platform.machine()} part {part[1]}" if part else platform.machine()


def _versions() -> list[tuple[str, str]]:
    found = []
    for package in _PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
