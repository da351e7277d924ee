"""Runs models for minutes and watches what heat does to their speed. Cools nothing and waits for nothing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgits.benchmarks.children import Child, Inputs
from edgits.benchmarks.machine import machine_state

_SLICE_S, _SHORTEST_S = 1.0, 0.05
_LEAST_SLICES = 10
_ENDS = 0.2  # the first and the last fifth are compared


@dataclass(frozen=True)
class Slice:
    """About a second of one model.

    Attributes:
        at_s: Seconds since the beginning.
        row: Index of the row.
        p50_us: Median time of an inference in microseconds.
        p95_us: 95th percentile.
        clock_mhz: The processor's clock after it; None where the system doesn't tell.
        temperature_c: Its temperature after it; None likewise.
        throttled: What the firmware reports; None likewise.
    """

    at_s: float
    row: int
    p50_us: float
    p95_us: float
    clock_mhz: int | None
    temperature_c: float | None
    throttled: list[str] | None


@dataclass(frozen=True)
class Sustained:
    """Minutes of work.

    Attributes:
        names: Names of the rows.
        slices: In the order of time, the rows in turn.
    """

    names: tuple[str, ...]
    slices: tuple[Slice, ...]

    def change(self, row: int) -> float:
        """Returns how many times the time of its first fifth a row's last fifth takes, by medians."""
        took = [part.p50_us for part in self.slices if part.row == row]
        count = max(1, round(_ENDS * len(took)))
        return float(np.median(took[-count:]) / np.median(took[:count]))

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        rounded = [vars(part) | {"at_s": round(part.at_s, 2)} for part in self.slices]
        changes = {name: round(self.change(row), 4) for row, name in enumerate(self.names)}
        return {"last_fifth_to_first": changes, "rows": list(self.names), "slices": rounded}


def sustain(
    children: Sequence[Child],
    names: Sequence[str],
    inputs: Inputs,
    seconds: float,
    on_step: Callable[[str], None],
) -> Sustained:
    """Runs the models in turn, without a pause.

    Args:
        children: The loaded models.
        names: Names of their rows.
        inputs: The images.
        seconds: How long in all.
        on_step: Called with a few words before each turn.
    """
    length = max(_SHORTEST_S, min(_SLICE_S, seconds / (_LEAST_SLICES * len(children))))
    slices: list[Slice] = []
    began = time.perf_counter()
    while not slices or time.perf_counter() - began < seconds:
        on_step(f"running on, {time.perf_counter() - began:,.0f} of {seconds:,.0f} s")
        for row, child in enumerate(children):
            took = child.ask("run_for", inputs=inputs.file(child), seconds=length)["us"]
            p50, p95 = np.percentile(took, (50, 95)).tolist()
            state = machine_state()
            heat = (state["clock_mhz"], state["temperature_c"], state["throttled"])
            slices.append(Slice(time.perf_counter() - began, row, p50, p95, *heat))
    return Sustained(tuple(names), tuple(slices))
