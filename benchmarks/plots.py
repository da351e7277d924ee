"""Draws a benchmark, a question a picture. Needs no display.

- `pareto.png`: which model to take? Accuracy against latency, size as area, and those that no other beats in both.
- `latency.png`: how steady is it? Every inference of every row.
- `confusion.png`: what does quantizing mix up? Confusions of a model less the reference's.
- `robustness.png`: what does it bear? Errors by severity of what spoils the digits.
- `sustain.png`: what does heat do? Latency, clock and temperature over time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgits import files
from edgits.benchmarks.corruptions import KINDS, PUBLISHED, SEVERITIES
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.robustness import Robustness
from edgits.benchmarks.rows import BenchmarkRow
from edgits.benchmarks.sustain import Sustained
from edgits.dataset import DIGITS
from edgits.errors import require

_GRID, _TEXT, _FRONT = "#e3e7eb", "#39434d", "#1f6fb4"
# Okabe and Ito's colours, told apart also by those who see fewer; then the same with another line
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
_STYLES = ("-", "--", ":")
_MOST_MATRICES = 4


def save_plots(folder: Path, outcome: Benchmark) -> list[Path]:
    """Draws what there is to draw and returns the files."""
    require("matplotlib", extra="train")
    pictures = {"pareto.png": _pareto(outcome.rows), "latency.png": _latency(outcome)}
    if len(outcome.rows) > 1:
        pictures["confusion.png"] = _confusion(outcome)
    if outcome.robustness:
        pictures["robustness.png"] = _robustness(outcome.robustness)
    if outcome.sustained:
        pictures["sustain.png"] = _sustained(outcome.sustained)
    for name, figure in pictures.items():
        with files.whole_file(folder / name) as temporary:
            figure.savefig(temporary, dpi=130)
    return [folder / name for name in pictures]


def pareto_front(rows: Sequence[BenchmarkRow]) -> list[int]:
    """Returns the indexes of rows of which none is both as accurate and faster, or as fast and more accurate."""
    order = sorted(range(len(rows)), key=lambda place: (rows[place].latency.p50_us, -rows[place].correct))
    front: list[int] = []
    for place in order:
        if not front or rows[place].correct > rows[front[-1]].correct:
            front.append(place)
    return front


def _pareto(rows: Sequence[BenchmarkRow]) -> Any:
    figure = _figure(10.5, 6)
    axes = figure.subplots()
    colours = _by_model([row.model for row in rows])
    front = pareto_front(rows)
    axes.plot(
        [rows[place].latency.p50_us for place in front],
        [100 * rows[place].accuracy for place in front],
        color=_FRONT,
        linewidth=1.2,
        zorder=1,
        label="no other is both faster and more accurate",
    )
    largest = max(row.bytes for row in rows)
    for place, row in enumerate(rows):
        low, high = row.ci95
        x, y = row.latency.p50_us, 100 * row.accuracy
        colour, _ = colours[row.model]
        axes.errorbar(x, y, [[y - 100 * low], [100 * high - y]], color=colour, linewidth=0.8, capsize=2, zorder=2)
        edge = _FRONT if place in front else "white"
        area = 40 + 900 * row.bytes / largest
        axes.scatter(x, y, area, color=colour, alpha=0.75, edgecolor=edge, linewidth=1.6, zorder=3)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.12)
    _label_points(axes, rows, front)
    axes.set(xlabel="median latency of one image, µs", ylabel="accuracy, %")
    axes.set_title("Accuracy against latency; area: size of the file; bars: 95 % intervals", fontsize=11)
    axes.legend(frameon=False, loc="lower right")
    return _finished(figure)


def _label_points(axes: Any, rows: Sequence[BenchmarkRow], front: Sequence[int]) -> None:
    """Writes names beside the points, at heights that don't touch each other."""
    from matplotlib.ticker import FuncFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = axes.get_ylim()
    step = (high - low) / 22
    used: list[tuple[float, float]] = []
    for place in sorted(range(len(rows)), key=lambda place: (-rows[place].accuracy, rows[place].latency.p50_us)):
        row = rows[place]
        x, y = row.latency.p50_us, 100 * row.accuracy
        while any(abs(np.log(x / other_x)) < 1.2 and abs(y - other_y) < step for other_x, other_y in used):
            y -= step
        used.append((x, y))
        axes.annotate(
            f"{row.name}, {row.bytes / 1000:,.0f} kB",
            (x, 100 * row.accuracy),
            (x * 1.06, y),
            fontsize=7.5,
            color=_TEXT,
            weight="bold" if place in front else "normal",
            va="center",
            zorder=4,
        )


def _latency(outcome: Benchmark) -> Any:
    order = sorted(range(len(outcome.rows)), key=lambda place: -outcome.rows[place].latency.p50_us)
    figure = _figure(10.5, 1.4 + 0.5 * len(order))
    axes = figure.subplots()
    colours = _by_model([row.model for row in outcome.rows])
    for height, place in enumerate(order):
        row, took = outcome.rows[place], np.sort(outcome.samples[place])
        colour = colours[row.model][0]
        jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(took))
        axes.plot(took, height + jitter, ".", color=colour, markersize=1.6, alpha=0.35, zorder=1)
        figures = (row.latency.p50_us, row.latency.p90_us, row.latency.p99_us)
        axes.plot(figures[::2], (height, height), color=_TEXT, linewidth=1, zorder=2)
        for value, mark in zip(figures, ("D", "|", "|"), strict=True):
            axes.plot(value, height, mark, color=_TEXT, markersize=5 if mark == "D" else 11, zorder=3)
    axes.set_yticks(range(len(order)), [f"{outcome.rows[place].name}" for place in order])
    axes.set_xscale("log")
    from matplotlib.ticker import FuncFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(xlabel="microseconds", ylim=(-0.6, len(order) - 0.4))
    axes.set_title("Latency of every inference; diamond: median, bars: 90th and 99th percentile", fontsize=11)
    return _finished(figure)


def _confusion(outcome: Benchmark) -> Any:
    """Draws the files that answer otherwise than the reference; the first ones of most flips."""
    seen: dict[str, int] = {}
    for place, row in enumerate(outcome.rows[1:], start=1):
        seen.setdefault(row.model, place)
    ranked = sorted(seen.values(), key=lambda place: -_flips(outcome.rows[place]))[:_MOST_MATRICES]
    figure = _figure(4.6 * len(ranked) + 0.6, 4.9)
    expected = _matrix(outcome, 0)
    changes = [_matrix(outcome, place) - expected for place in ranked]
    most = max(1, *(int(np.abs(change).max()) for change in changes))
    for axes, place, change in zip(figure.subplots(1, len(ranked), squeeze=False)[0], ranked, changes, strict=True):
        image = axes.imshow(change, cmap="RdBu_r", vmin=-most, vmax=most)
        for true, found in np.argwhere(change):
            value = change[true, found]
            colour = "white" if abs(value) > 0.6 * most else _TEXT
            axes.text(found, true, f"{value:+d}", ha="center", va="center", fontsize=7.5, color=colour)
        row = outcome.rows[place]
        axes.set_title(f"{row.model}\n{_flips(row)} answers differ", fontsize=9)
        axes.set(xlabel="read as", ylabel="true")
        axes.set_xticks(range(len(DIGITS)), DIGITS)
        axes.set_yticks(range(len(DIGITS)), DIGITS)
        axes.set_xticks(np.arange(-0.5, len(DIGITS)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(DIGITS)), minor=True)
        axes.grid(which="minor", color=_GRID, linewidth=0.6)
        axes.tick_params(which="both", length=0)
    figure.colorbar(image, ax=figure.axes, shrink=0.75, label=f"images more (less) than {outcome.rows[0].model}")
    figure.suptitle(f"Confusions of each model less those of {outcome.rows[0].name}", fontsize=11)
    return figure


def _flips(row: BenchmarkRow) -> int:
    return row.comparison.flips if row.comparison else 0


def _matrix(outcome: Benchmark, place: int) -> Any:
    counts = np.zeros((len(DIGITS), len(DIGITS)), np.int64)
    np.add.at(counts, (outcome.data.labels, outcome.answers[place]), 1)
    return counts


def _robustness(found: Robustness) -> Any:
    figure = _figure(13, 8.4)
    colours = _by_model(found.models)
    errors = 100 * found.errors()
    clean = 100 * (1 - found.clean.mean(axis=1))
    grid = figure.subplots(4, 4, sharex=True)
    for number, (axes, kind) in enumerate(zip(grid.flat, KINDS, strict=False)):
        for place, model in enumerate(found.models):
            colour, style = colours[model]
            values = [clean[place], *errors[place, number]]
            axes.plot((0, *SEVERITIES), values, style, color=colour, linewidth=1.4, marker=".", markersize=4)
        axes.axvline(PUBLISHED[kind], color=_GRID, linewidth=4, zorder=0)
        axes.set_title(kind, fontsize=9)
        axes.set_ylim(bottom=0)
    last = grid.flat[len(KINDS)]
    for place, model in enumerate(found.models):
        colour, style = colours[model]
        mean = [clean[place], *errors[place].mean(axis=0)]
        last.plot((0, *SEVERITIES), mean, style, color=colour, linewidth=1.8, marker=".", label=model)
    last.set_title("mean of all", fontsize=9, weight="bold")
    last.set_ylim(bottom=0)
    for axes in grid.flat:
        axes.set_xticks((0, *SEVERITIES))
    figure.supxlabel("severity; 0 is clean, the shaded one is MNIST-C's", fontsize=9)
    figure.supylabel("% read wrong", fontsize=9)
    figure.legend(frameon=False, loc="outside upper center", ncols=min(5, len(found.models)), fontsize=9)
    return _finished(figure)


def _sustained(found: Sustained) -> Any:
    measured: dict[str, list[Any]] = {
        "temperature, °C": [part.temperature_c for part in found.slices],
        "clock, MHz": [part.clock_mhz for part in found.slices],
    }
    told = {name: values for name, values in measured.items() if any(value is not None for value in values)}
    figure = _figure(10.5, 4.4 + 1.5 * len(told))
    heights = {"height_ratios": [3] + [1] * len(told)}
    panels = figure.subplots(1 + len(told), 1, sharex=True, squeeze=False, gridspec_kw=heights)[:, 0]
    colours = _by_model(found.names)
    for row, name in enumerate(found.names):
        parts = [part for part in found.slices if part.row == row]
        minutes, took = [part.at_s / 60 for part in parts], [part.p50_us for part in parts]
        colour, style = colours[name]
        panels[0].plot(minutes, took, style, color=colour, linewidth=1.3, label=f"{name}, ×{found.change(row):.2f}")
        panels[0].fill_between(minutes, took, [part.p95_us for part in parts], color=colour, alpha=0.12, linewidth=0)
    panels[0].set_yscale("log")
    from matplotlib.ticker import FuncFormatter

    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set(ylabel="latency, µs")
    panels[0].legend(frameon=False, fontsize=8, loc="best")
    panels[0].set_title(
        "Latency while running on: median, up to the 95th percentile; × last fifth against first", fontsize=11
    )
    for axes, (name, values) in zip(panels[1:], told.items(), strict=True):
        axes.plot([part.at_s / 60 for part in found.slices], values, color=_TEXT, linewidth=1.2)
        axes.set(ylabel=name)
    panels[-1].set(xlabel="minutes")
    return _finished(figure)


def _by_model(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Gives each name a colour and a line of its own."""
    return {
        name: (_COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)])
        for place, name in enumerate(dict.fromkeys(names))
    }


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _finished(figure: Any) -> Any:
    for axes in figure.axes:
        axes.grid(color=_GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
