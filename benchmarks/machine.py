"""What a measurement was made on: processor, clock, heat, throttling, load, versions. Changes none of them.

A virtual machine tells little of it, and nothing of its neighbours.
"""

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgits import __version__

_PACKAGES = ("numpy", "ai-edge-litert", "tflite-runtime", "onnxruntime", "tensorflow", "tensorflow-cpu", "keras")
_ROOT = Path("/")
# What speeds 8-bit integers up, as Linux calls it: on Arm dot products and matrix multiplications, on x86 VNNI.
FEATURES = {
    "asimd": "NEON",
    "neon": "NEON",
    "asimddp": "NEON dotprod",
    "i8mm": "NEON i8mm",
    "asimdhp": "NEON fp16",
    "sve": "SVE",
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512bw": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_int8": "AMX int8",
}
DOT_PRODUCTS = frozenset({"NEON dotprod", "NEON i8mm", "AVX-512 VNNI", "AVX VNNI", "AMX int8"})
# Bits of the Raspberry Pi's firmware (`vcgencmd get_throttled`); those of the past are 16 higher.
_THROTTLED = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
_SAMPLE_S = 0.5


def describe_machine(root: Path = _ROOT) -> dict[str, Any]:
    """Returns what doesn't change while a benchmark runs.

    Args:
        root: Folder that has `proc` and `sys`.

    Returns:
        JSON values: ``board`` (None on a PC), ``cpu``, ``architecture``, ``cores``, ``memory_mb``,
        ``governor`` (None where the system has none), ``highest_clock_mhz``, ``features`` (those of `FEATURES`
        that the processor has), ``system``, ``python``, ``edgits``, ``packages``.
    """
    cpuinfo = _text(root / "proc/cpuinfo")
    clock = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
    memory = re.search(r"MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"))
    return {
        "board": _text(root / "proc/device-tree/model").strip("\0 \n") or None,
        "cpu": _cpu_model(cpuinfo),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": round(int(memory[1]) * 1024 / 1e6) if memory else None,
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "highest_clock_mhz": round(int(clock) / 1000) if clock.isdecimal() else None,
        "features": _features(cpuinfo),
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
        warmest zone), ``throttled`` (what the board's firmware reports, now or since it started; an
        empty list where all is well), ``load`` (processes ready to run, mean of the last minute).
    """
    clock = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").strip()
    listed = re.search(r"cpu MHz\s*: ([\d.]+)", _text(root / "proc/cpuinfo"))
    zones = [_text(zone).strip() for zone in (root / "sys/class/thermal").glob("thermal_zone*/temp")]
    degrees = [int(zone) / 1000 for zone in zones if re.fullmatch(r"-?\d+", zone)]
    return {
        "clock_mhz": round(int(clock) / 1000) if clock.isdecimal() else round(float(listed[1])) if listed else None,
        "temperature_c": max(degrees, default=None),
        "throttled": _throttled(root),
        "load": round(os.getloadavg()[0], 2),
    }


@contextlib.contextmanager
def watched(root: Path = _ROOT) -> Iterator[dict[str, Any]]:
    """Watches the machine while the block runs, from a thread.

    Args:
        root: Folder that has `proc` and `sys`.

    Yields:
        A dictionary that is filled when the block ends: ``before``, ``after`` as `machine_state`, and ``during``:
        least and largest ``clock_mhz``, ``temperature_c``, ``load`` and all that was ``throttled``.
    """
    result: dict[str, Any] = {"before": machine_state(root)}
    states = [result["before"]]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            states.append(machine_state(root))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield result
    finally:
        done.set()
        watcher.join()
        result["after"] = machine_state(root)
        result["during"] = _range([*states, result["after"]])


def _range(states: list[dict[str, Any]]) -> dict[str, Any]:
    ranges: dict[str, Any] = {}
    for name in ("clock_mhz", "temperature_c", "load"):
        values = [state[name] for state in states if state[name] is not None]
        ranges[name] = [min(values), max(values)] if values else None
    told = [state["throttled"] for state in states if state["throttled"] is not None]
    ranges["throttled"] = list(dict.fromkeys(word for words in told for word in words)) if told else None
    return ranges


def _features(cpuinfo: str) -> list[str]:
    listed = re.search(r"^(?:flags|Features)\s*: (.+)$", cpuinfo, re.MULTILINE)
    words = set(listed[1].split()) if listed else set()
    return list(dict.fromkeys(name for word, name in FEATURES.items() if word in words))


def _throttled(root: Path) -> list[str] | None:
    """Reads the firmware's flags, from the kernel's file or, on this machine, by its command."""
    text = next((_text(path) for path in root.glob("sys/devices/platform/soc*/soc*firmware/get_throttled")), "")
    if not text and root == _ROOT and shutil.which("vcgencmd"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            text = subprocess.run(
                ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2
            ).stdout.partition("=")[2]
    try:
        bits = int(text.strip(), 16)
    except ValueError:
        return None
    now = [f"{word} now" for place, word in enumerate(_THROTTLED) if bits >> place & 1]
    return now + [f"{word} since start" for place, word in enumerate(_THROTTLED) if bits >> place + 16 & 1]


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
