"""Shows a benchmark in a terminal of 100 columns. Measures nothing."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgits.benchmarks.corruptions import KINDS, PUBLISHED
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.noise import ratio
from edgits.benchmarks.robustness import Robustness
from edgits.benchmarks.rows import BenchmarkRow

_COLOURS = {"worse": "red", "better": "green"}
_SIDE_BY_SIDE = 7  # models in a table of 100 columns


def print_benchmark(console: Console, outcome: Benchmark) -> None:
    """Prints rows, what is to be said of them, what was left out, and the machine."""
    rows, machine = outcome.rows, outcome.machine
    console.print(accuracy_table(rows))
    console.print(
        f"{rows[0].n:,} images; ranges and ± are 95 % intervals. drop: points of accuracy lost against the first row, "
        "p by McNemar's test, coloured where it isn't chance; flips: answers that differ from the first row's.",
        style="dim",
    )
    console.print(speed_table(rows))
    first = rows[0]
    console.print(
        f"Inside the runtime, one image, {first.latency.repeats:,} times each; below p50 the fastest and the slowest "
        f"of {len(first.latency.rounds_us)} rounds, ≈ where noise covers the difference from the fastest row. "
        f"call: from Python, input quantized and copied too; img/s: in batches of {first.cost.batch}.",
        style="dim",
    )
    for model, convention in outcome.conventions.items():
        console.print(f"{model} has no card; found by trying: {convention}", markup=False)
    for each in outcome.explanations:
        console.print(f"[bold]{each.model}[/] takes {each.ratio.text()} times as long as {each.against}:")
        for reason in each.reasons:
            console.print(Padding(Text(f"- {reason}"), (0, 0, 0, 2)))
    if outcome.robustness:
        _print_robustness(console, outcome.robustness)
    for line in sustained_lines(outcome):
        console.print(line, markup=False, highlight=False)
    for line in (*_weights(rows), machine_text(machine)):
        console.print(line, style="dim", highlight=False, markup=False)
    for line in warnings(machine):
        console.print(line, style="yellow", markup=False, highlight=False)
    for line in outcome.left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, highlight=False)


def accuracy_table(rows: Sequence[BenchmarkRow]) -> Table:
    """Makes the table of what is lost, two lines a row: figures above, their spread below."""
    result = _table("size", "accuracy", "drop", "flips", "delegate")
    for number, row in enumerate(rows):
        low, high = row.ci95
        compared = row.comparison
        drop = f"{compared.drop_pp:+.2f}" if compared else ""
        if compared and compared.verdict in _COLOURS:
            drop = f"[{_COLOURS[compared.verdict]}]{drop}[/]"
        half = (compared.drop_ci95[1] - compared.drop_ci95[0]) / 2 if compared else 0.0
        cells = [
            (f"{row.bytes / 1000:,.1f} kB", ""),
            (f"{100 * row.accuracy:.2f} %", f"{100 * low:.2f}–{100 * high:.2f}"),
            (drop, f"±{half:.2f}" if compared else ""),
            (str(compared.flips) if compared else "", f"p {compared.p_value:.2g}" if compared else ""),
            (row.delegate or "none", ""),
        ]
        _add(result, row, cells, last_of_section=number == 0 and len(rows) > 1)
    return result


def speed_table(rows: Sequence[BenchmarkRow]) -> Table:
    """Makes the table of what a model costs."""
    metered = any(row.cost.energy_mj is not None for row in rows)
    result = _table("p50 µs", "p90", "p95", "p99", "call", "img/s", "load", "memory", *["mJ"] * metered)
    fastest = min(rows, key=lambda row: row.latency.p50_us)
    for number, row in enumerate(rows):
        took, cost = row.latency, row.cost
        p50 = _microseconds(took.p50_us)
        if row is fastest:
            p50 = f"[bold]{p50}[/bold]"
        elif not ratio(took.rounds_us, fastest.latency.rounds_us).sure:
            p50 = f"≈ {p50}"
        cells = [
            (p50, f"{_microseconds(min(took.rounds_us))}–{_microseconds(max(took.rounds_us))}"),
            *((_microseconds(value), "") for value in (took.p90_us, took.p95_us, took.p99_us, took.call_us)),
            (f"{cost.images_per_s:,.0f}", ""),
            (_milliseconds(cost.load_ms), f"+{_milliseconds(cost.first_ms)}"),
            (f"{cost.memory_mb:,.0f} MB", ""),
            *[("" if cost.energy_mj is None else f"{cost.energy_mj:.3g}", "")] * metered,
        ]
        _add(result, row, cells, last_of_section=number == 0 and len(rows) > 1)
    return result


def _table(*columns: str) -> Table:
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    result.add_column("model", no_wrap=True)
    for name in columns:
        result.add_column(name, justify="right", no_wrap=True)
    return result


def _add(table: Table, row: BenchmarkRow, cells: Sequence[tuple[str, str]], *, last_of_section: bool) -> None:
    named = (row.model, f"{row.runtime}{_threads(row.threads)}")
    shown = [f"{above}\n[dim]{below}[/dim]" for above, below in (named, *cells)]
    table.add_row(*shown, end_section=last_of_section)


def _print_robustness(console: Console, found: Robustness) -> None:
    places = range(len(found.models))
    for begin in range(0, len(found.models), _SIDE_BY_SIDE):
        console.print(_robustness_table(found, places[begin : begin + _SIDE_BY_SIDE]))
    console.print(
        f"{found.n:,} digits spoilt as in MNIST-C, at the severity that it has of each kind: % read wrong. more: "
        f"points that spoiling costs beyond what it costs {found.models[0]}, over all severities; coloured where "
        "it isn't chance.",
        style="dim",
    )


def _robustness_table(found: Robustness, places: Sequence[int]) -> Table:
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    result.add_column("spoilt by", no_wrap=True)
    for place in places:
        result.add_column(re.sub(r"[-/](?=.)|(?=\.\w+$)", "\n", found.models[place]), justify="right")
    published = 100 * found.published()
    clean = 100 * (1 - found.clean.mean(axis=1))
    result.add_row("nothing", *(f"{clean[place]:.2f}" for place in places), end_section=True)
    for number, kind in enumerate(KINDS):
        cells = [f"{published[place, number]:.2f}" for place in places]
        result.add_row(f"{kind}, {PUBLISHED[kind]}", *cells, end_section=number == len(KINDS) - 1)
    result.add_row("mean", *(f"[bold]{published[place].mean():.2f}[/]" for place in places))
    if len(found.models) > 1:
        result.add_row("more", *(_extra(found, place) for place in places))
    return result


def _extra(found: Robustness, place: int) -> str:
    if place == 0:
        return ""
    value, low, high = found.extra_loss(place)
    colour = "red" if low > 0 else "green" if high < 0 else "default"
    return f"[{colour}]{value:+.2f}[/]\n[dim]±{(high - low) / 2:.2f}[/]"


def sustained_lines(outcome: Benchmark) -> list[str]:
    """Says what minutes of work did to each row's speed."""
    found = outcome.sustained
    if not found:
        return []
    minutes = found.slices[-1].at_s / 60
    degrees = [part.temperature_c for part in found.slices if part.temperature_c is not None]
    heat = f", {degrees[0]:.0f} to {max(degrees):.0f} °C" if degrees else ", the machine tells no temperature"
    lines = [f"running on for {minutes:.1f} minutes{heat}; last fifth against the first:"]
    return lines + [f"  {name}: {found.change(row):.2f} times the time" for row, name in enumerate(found.names)]


def _microseconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _milliseconds(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


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
        figures = f"{parameters:,} parameters, {macs:,} multiply-accumulates an image" if parameters else "not counted"
        lines.append(f"{names}: {figures}")
    return lines


def machine_text(machine: dict[str, Any]) -> str:
    """Returns the machine in a line or two."""
    parts = [machine["board"] or "", machine["cpu"], f"{machine['cores']} cores", *machine["features"]]
    parts += [f"governor {machine['governor']}"] if machine["governor"] else []
    parts += [f"energy by {machine['meter']}"] if machine["meter"] else []
    parts += _states(machine)
    versions = [f"{name} {version}" for name, version in machine["packages"].items()]
    return f"{', '.join(part for part in parts if part)}\nPython {machine['python']}, {', '.join(versions)}"


def _states(machine: dict[str, Any]) -> Iterator[str]:
    """What drifted: before, at most during, and after."""
    for name, form in (("clock_mhz", "{} MHz"), ("temperature_c", "{} °C"), ("load", "load {}")):
        highest = machine["during"][name]
        if highest is not None:
            states = [machine["before"][name], highest[1], machine["after"][name]]
            yield form.format("→".join(f"{state:g}" for state in dict.fromkeys(states) if state is not None))


def warnings(machine: dict[str, Any]) -> list[str]:
    """Says what makes the times doubtful."""
    found = []
    if machine["before"]["load"] > machine["cores"] / 2:
        found.append("the machine was busy with other work: take the times as upper bounds")
    if throttled := machine["during"]["throttled"]:
        found.append(f"the board reports {', '.join(throttled)}: mend its power or cooling, and measure again")
    return found
