"""Energy that the board itself measures: a PC processor's counter, a Pi 5's regulators, a sensor of the kernel.

It sees what the meter sees, which is the processor or the whole board and never one program; most boards
and all virtual machines have no meter.
"""

import contextlib
import itertools
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

_ROOT = Path("/")
_SAMPLE_S = 0.05
_COUNTER, _SENSOR = "sys/class/powercap/*-rapl:0", "sys/class/hwmon/hwmon*/power1_input"


class Meter:
    """Measures the energy of a piece of work.

    Attributes:
        source: What measures, in a few words; empty where nothing does.

    Args:
        root: Folder that has `sys`.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        self.source = ""
        self._counter: Path | None = None
        self._watts: Callable[[], float] | None = None
        counters = [path for path in sorted(root.glob(_COUNTER)) if _number(path / "energy_uj") is not None]
        sensors = [path for path in sorted(root.glob(_SENSOR)) if _number(path) is not None]
        if counters:
            self.source, self._counter = f"processor, {counters[0].name}", counters[0]
        elif sensors:
            self.source, self._watts = f"board, {sensors[0].parent.name}", partial(_microwatts, sensors[0])
        elif root == _ROOT and shutil.which("vcgencmd") and _regulators():
            self.source, self._watts = "board, regulators", _regulators

    @contextlib.contextmanager
    def measured(self) -> Iterator[Callable[[], float | None]]:
        """Measures while the block runs.

        Yields:
            A function that returns, after the block, the joules it took; None where nothing measures.
        """
        joules: list[float | None] = [None]
        if self._counter is not None:
            begin = _number(self._counter / "energy_uj") or 0
            yield lambda: joules[0]
            used = (_number(self._counter / "energy_uj") or 0) - begin
            wrap = _number(self._counter / "max_energy_range_uj") or 0
            joules[0] = (used if used >= 0 else used + wrap) / 1e6
        elif self._watts is not None:
            with _sampled(self._watts) as samples:
                yield lambda: joules[0]
            joules[0] = _integral(samples)
        else:
            yield lambda: None


@contextlib.contextmanager
def _sampled(watts: Callable[[], float]) -> Iterator[list[tuple[float, float]]]:
    """Reads a power from a thread; the list, (seconds, watts), is complete after the block."""
    samples = [(time.perf_counter(), watts())]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            samples.append((time.perf_counter(), watts()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()
        samples.append((time.perf_counter(), watts()))


def _integral(samples: list[tuple[float, float]]) -> float:
    return sum((later - sooner) * (more + less) / 2 for (sooner, less), (later, more) in itertools.pairwise(samples))


def _microwatts(sensor: Path) -> float:
    return (_number(sensor) or 0) / 1e6


def _regulators() -> float:
    """Returns the watts of a Pi 5's regulators, 0 where there are none."""
    try:
        said = subprocess.run(["vcgencmd", "pmic_read_adc"], capture_output=True, text=True, timeout=2).stdout
    except (OSError, subprocess.SubprocessError):
        return 0.0
    return regulators_watts(said)


def regulators_watts(said: str) -> float:
    """Returns the watts that `vcgencmd pmic_read_adc` speaks of: the sum of each rail's current times voltage."""
    amperes = dict(re.findall(r"(\w+)_A current\(\d+\)=([\d.]+)A", said))
    volts = dict(re.findall(r"(\w+)_V volt\(\d+\)=([\d.]+)V", said))
    return sum(float(amperes[rail]) * float(volts[rail]) for rail in amperes.keys() & volts.keys())


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
