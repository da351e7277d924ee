"""Shows a benchmark of the live reader in a terminal of 100 columns. Measures nothing."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from edgits.benchmarks.live import STAGES, LiveRow
from edgits.benchmarks.table import machine_text

_NAMES = {"normalize": "norm.", "classify": "class.", "arrange": "order"}


def print_live(console: Console, rows: Sequence[LiveRow], machine: dict[str, Any], *, source: str) -> None:
    """Prints the rows and the machine.

    Args:
        console: Where to.
        rows: What `measure_live` returned.
        machine: What `describe_machine` returned, with the state ``"before"`` and ``"after"``.
        source: What was read.
    """
    console.print(live_table(rows))
    console.print(
        f"{source}, {min(row.frames for row in rows)} to {max(row.frames for row in rows)} frames a size; milliseconds "
        "a frame: medians above, 99th percentiles below. frame: find to track, without grab, which is the time "
        "that the frame took to come (the scene's: to be drawn); whole: frames that aren't searched around known "
        "digits alone. F1: digits right; exact: frames right altogether; fps: what the reader keeps up with.",
        style="dim",
    )
    console.print(machine_text(machine), style="dim", highlight=False, markup=False)
    if machine["before"]["load"] > machine["cores"] / 2:
        console.print("the machine was busy with other work: take the times as upper bounds", style="yellow")


def live_table(rows: Sequence[LiveRow]) -> Table:
    """Makes the table, two lines a row: medians above, 99th percentiles below."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("model", no_wrap=True)
    for name in ("F1", "exact", "frame", "whole", *(_NAMES.get(stage, stage) for stage in STAGES), "fps"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        last = place + 1 == len(rows) or (rows[place + 1].width, rows[place + 1].height) != (row.width, row.height)
        stages = [row.stages_ms[stage] for stage in STAGES]
        above = (
            row.model,
            _percent(row.f1),
            _percent(row.exact),
            f"[bold]{_ms(row.frame_ms.p50)}[/bold]",
            _ms(row.whole_ms.p50),
            *(_ms(spread.p50) for spread in stages),
            f"{row.fps:,.0f}",
        )
        below = (
            f"{row.width}x{row.height}, {row.digits:.1f} read",
            "",
            "",
            _ms(row.frame_ms.p99),
            _ms(row.whole_ms.p99),
            *(_ms(spread.p99) for spread in stages),
            "",
        )
        cells = [f"{one}\n[dim]{other}[/dim]" for one, other in zip(above, below, strict=True)]
        table.add_row(*cells, end_section=last)
    return table


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
