"""Shows a benchmark in a terminal of 100 columns. Measures nothing."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from edgits.benchmarks.rows import BenchmarkRow

_SURE = 0.05  # a p value below it is printed as a difference that isn't chance


def print_benchmark(
    console: Console, rows: Sequence[BenchmarkRow], machine: dict[str, Any], *, left_out: Sequence[str] = ()
) -> None:
    """Prints rows, what was left out, and the machine.

    Args:
        console: Where to.
        rows: The rows; the first is the reference.
        machine: What `describe_machine` returned, with the state ``"before"`` and ``"after"``.
        left_out: Why jobs were left out.
    """
    console.print(table(rows))
    console.print(
        f"{rows[0].n:,} images; ranges and ± are 95 % intervals. drop: points of accuracy lost against the first row, "
        "p by McNemar's test; flips: answers that differ from it. Times are of one image, "
        f"{rows[0].latency.repeats:,} times each; below p50 the medians of the fastest and the slowest round.",
        style="dim",
    )
    for line in (*_weights(rows), machine_text(machine)):
        console.print(line, style="dim", highlight=False, markup=False)
    if machine["before"]["load"] > machine["cores"] / 2:
        console.print("the machine was busy with other work: take the times as upper bounds", style="yellow")
    for line in left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, highlight=False)


def table(rows: Sequence[BenchmarkRow]) -> Table:
    """Makes the table, two lines a row: figures above, their spread below."""
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    result.add_column("model", no_wrap=True)
    for name in ("size", "accuracy", "drop", "flips", "p50 µs", "p95 µs", "load", "memory"):
        result.add_column(name, justify="right", no_wrap=True)
    fastest = min(row.latency.p50_us for row in rows)
    for number, row in enumerate(rows):
        cells = [f"{above}\n[dim]{below}[/dim]" for above, below in _cells(row, fastest)]
        result.add_row(*cells, end_section=number == 0 and len(rows) > 1)
    return result


def _cells(row: BenchmarkRow, fastest: float) -> list[tuple[str, str]]:
    low, high = row.ci95
    compared = row.comparison
    drop = f"{compared.drop_pp:+.2f}" if compared else ""
    if compared and compared.p_value < _SURE:
        drop = f"[{'red' if compared.drop_pp > 0 else 'green'}]{drop}[/]"
    half = (compared.drop_ci95[1] - compared.drop_ci95[0]) / 2 if compared else 0.0
    p50 = _microseconds(row.latency.p50_us)
    fast, slow = (_microseconds(median) for median in row.latency.rounds_us)
    return [
        (row.model, f"{row.runtime}{_threads(row.threads)}"),
        (f"{row.bytes / 1000:,.1f} kB", ""),
        (f"{100 * row.accuracy:.2f} %", f"{100 * low:.2f}–{100 * high:.2f}"),
        (drop, f"±{half:.2f}" if compared else ""),
        (str(compared.flips) if compared else "", f"p {compared.p_value:.2g}" if compared else ""),
        (f"[bold]{p50}[/bold]" if row.latency.p50_us == fastest else p50, f"{fast}–{slow}"),
        (_microseconds(row.latency.p95_us), ""),
        (f"{row.load_ms / 1000:.1f} s" if row.load_ms >= 1000 else f"{row.load_ms:.0f} ms", ""),
        (f"{row.memory_mb:,.0f} MB", ""),
    ]


def _microseconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _threads(count: int) -> str:
    return {0: "", 1: ", 1 thread"}.get(count, f", {count} threads")


def _weights(rows: Sequence[BenchmarkRow]) -> list[str]:
    """A line for all models of the same parameters and multiply-accumulates."""
    groups: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        groups.setdefault((row.parameters, row.macs), []).append(row.model)
    lines = []
    for (parameters, macs), models in groups.items():
        names = "all" if len(groups) == 1 else ", ".join(dict.fromkeys(models))
        figures = f"{parameters:,} parameters, {macs:,} multiply-accumulates an image" if parameters else "no card"
        lines.append(f"{names}: {figures}")
    return lines


def machine_text(machine: dict[str, Any]) -> str:
    """Returns the machine in a line or two."""
    parts = [machine["board"] or "", machine["cpu"], f"{machine['cores']} cores"]
    parts += [f"governor {machine['governor']}"] if machine["governor"] else []
    for name, form in (("clock_mhz", "{} MHz"), ("temperature_c", "{} °C"), ("load", "load {}")):
        states = [machine[when][name] for when in ("before", "after") if machine[when][name] is not None]
        if states:
            parts.append(form.format("→".join(f"{state:g}" for state in dict.fromkeys(states))))
    versions = [f"{name} {version}" for name, version in machine["packages"].items()]
    return f"{', '.join(part for part in parts if part)}\nPython {machine['python']}, {', '.join(versions)}"
