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
    figure = _figure(11.5, 6)
    axes = figure.subplots()
    colours = _by_model([row.model for row in rows])
    front = pareto_front(rows)
    points = [(row.latency.p50_us, 100 * row.accuracy) for row in rows]
    axes.plot(*zip(*(points[place] for place in front), strict=True), color=_FRONT, linewidth=1.2, zorder=1)
    largest = max(row.bytes for row in rows)
    order = sorted(range(len(rows)), key=lambda place: rows[place].latency.p50_us)
    for number, place in enumerate(order, start=1):
        row, (x, y), colour = rows[place], points[place], colours[rows[place].model][0]
        low, high = (100 * bound for bound in row.ci95)
        axes.errorbar(x, y, [[y - low], [high - y]], color=colour, alpha=0.5, linewidth=0.8, capsize=2, zorder=2)
        axes.scatter(
            x, y, _area(row.bytes / largest), color=colour, alpha=0.8, edgecolor="white", linewidth=1, zorder=3
        )
        mark = "★ " if place in front else ""
        name = f"{number}  {mark}{row.name}, {row.bytes / 1000:,.0f} kB"
        axes.plot([], [], "o", color=colour, label=name)
    axes.set_xscale("log")
    axes.margins(x=0.1, y=0.1)
    _number_points(axes, [points[place] for place in order], [rows[place].bytes / largest for place in order])
    axes.set(xlabel="median latency of one image, µs", ylabel="accuracy, %")
    _plain_ticks(axes.xaxis)
    axes.set_title("Accuracy against latency; area: size of the file; bars: 95 % intervals", fontsize=11)
    title = "★ and line: no other is both\nas accurate and faster"
    figure.legend(frameon=False, loc="outside right upper", fontsize=8.5, title=title, title_fontsize=8.5)
    return _finished(figure)


def _area(share: float) -> float:
    """Returns a circle's area, in square points, of a file's share of the largest one's size."""
    return 50 + 900 * share


def _number_points(axes: Any, points: Sequence[tuple[float, float]], shares: Sequence[float]) -> None:
    """Writes each point's number above it; points that lie together share a line of numbers."""
    from matplotlib.patheffects import withStroke

    groups: list[list[int]] = []
    for place, point in enumerate(points):
        x, y = axes.transData.transform(point)
        for group in groups:
            other_x, other_y = axes.transData.transform(points[group[0]])
            if abs(x - other_x) < 30 and abs(y - other_y) < 22:
                group.append(place)
                break
        else:
            groups.append([place])
    for group in groups:
        x, y = points[group[0]]
        text = ", ".join(str(place + 1) for place in group)
        away = 4 + 0.4 * max(_area(shares[place]) for place in group) ** 0.5
        axes.annotate(
            text,
            (x, y),
            (away, away),
            textcoords="offset points",
            fontsize=9,
            weight="bold",
            color=_TEXT,
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],  # a number may lie on a neighbour's disc
        )


def _plain_ticks(axis: Any) -> None:
    """Writes 1, 2, 5, 10 … on a logarithmic axis, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.15g}"))
    axis.set_minor_formatter(NullFormatter())


def _latency(outcome: Benchmark) -> Any:
    order = sorted(range(len(outcome.rows)), key=lambda place: -outcome.rows[place].latency.p50_us)
    figure = _figure(11.5, 1.4 + 0.5 * len(order))
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
    names = [f"{outcome.rows[place].name}\n{outcome.rows[place].latency.p50_us:,.1f} µs" for place in order]
    axes.set_yticks(range(len(order)), names, fontsize=8.5)
    axes.set_xscale("log")
    _plain_ticks(axes.xaxis)
    axes.set(xlabel="microseconds", ylim=(-0.6, len(order) - 0.4))
    axes.set_title("Latency of every inference; diamond: median, bars: 90th and 99th percentile", fontsize=11)
    return _finished(figure)


def _confusion(outcome: Benchmark) -> Any:
    """Draws the files that answer otherwise than the reference, those of most flips first."""
    seen: dict[str, int] = {}
    for place, row in enumerate(outcome.rows[1:], start=1):
        seen.setdefault(row.model, place)
    ranked = sorted(seen.values(), key=lambda place: -_flips(outcome.rows[place]))[:_MOST_MATRICES]
    ranked = [place for place in ranked if _flips(outcome.rows[place])] or ranked[:1]
    figure = _figure(max(5.0, 3.9 * len(ranked) + 0.4), 4.9)
    expected = _matrix(outcome, 0)
    changes = [_matrix(outcome, place) - expected for place in ranked]
    most = max(1, *(int(np.abs(change).max()) for change in changes))
    good = 1 - 2 * np.eye(len(DIGITS))  # more on the diagonal is better, elsewhere it's worse
    for axes, place, change in zip(figure.subplots(1, len(ranked), squeeze=False)[0], ranked, changes, strict=True):
        axes.imshow(change * good, cmap="RdBu_r", vmin=-1.3 * most, vmax=1.3 * most)
        for true, found in np.argwhere(change):
            text = f"{change[true, found]:+d}".replace("-", "−")
            colour = "white" if abs(change[true, found]) > 0.7 * most else _TEXT
            axes.text(found, true, text, ha="center", va="center", fontsize=7.5, color=colour)
        row = outcome.rows[place]
        flips = _flips(row)
        axes.set_title(f"{row.model}\n{flips} {'answer differs' if flips == 1 else 'answers differ'}", fontsize=9)
        axes.set(xlabel="read as", ylabel="true")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(DIGITS)), DIGITS)
            axis.set_ticks(np.arange(-0.5, len(DIGITS)), minor=True)
        axes.grid(which="minor", color=_GRID, linewidth=0.6)
        axes.tick_params(which="both", length=0)
    reference = outcome.rows[0].name
    title = f"How many images more or fewer than with {reference}\nblue: better, red: worse"
    figure.suptitle(title, fontsize=10)
    return figure


def _flips(row: BenchmarkRow) -> int:
    return row.comparison.flips if row.comparison else 0


def _matrix(outcome: Benchmark, place: int) -> Any:
    counts = np.zeros((len(DIGITS), len(DIGITS)), np.int64)
    np.add.at(counts, (outcome.data.labels, outcome.answers[place]), 1)
    return counts


def _robustness(found: Robustness) -> Any:
    figure = _figure(13, 8.6)
    colours = _by_model(found.models)
    errors = 100 * found.errors()
    clean = 100 * (1 - found.clean.mean(axis=1))
    # lines that lie on each other are seen as stripes
    widths = np.linspace(4.5, 1.2, len(found.models))
    grid = figure.subplots(4, 4, sharex=True)
    for number, (axes, kind) in enumerate(zip(grid.flat, KINDS, strict=False)):
        for place, model in enumerate(found.models):
            colour, style = colours[model]
            values = [clean[place], *errors[place, number]]
            label = model if number == 0 else None
            axes.plot((0, *SEVERITIES), values, style, color=colour, linewidth=widths[place], label=label)
        axes.axvline(PUBLISHED[kind], color=_GRID, linewidth=5, zorder=0)
        axes.set_title(kind, fontsize=9)
        axes.set_ylim(0, max(5, axes.get_ylim()[1]))
    _draw_extra_loss(grid.flat[len(KINDS)], found, colours)
    for axes in grid.flat:
        axes.set_xticks((0, *SEVERITIES))
    figure.supxlabel("severity; 0 is clean, the shaded one is MNIST-C's", fontsize=9)
    figure.supylabel("% read wrong", fontsize=9)
    figure.legend(frameon=False, loc="outside upper center", ncols=min(5, len(found.models)), fontsize=9)
    return _finished(figure)


def _draw_extra_loss(axes: Any, found: Robustness, colours: dict[str, tuple[str, str]]) -> None:
    """Draws how many points more than the reference each model reads wrong, over all kinds, by severity."""
    for place, model in enumerate(found.models[1:], start=1):
        figures = [found.loss(place, severity) for severity in (0, *SEVERITIES)]
        values, halves = zip(*((value, high - value) for value, _, high in figures), strict=True)
        shifted = np.arange(len(values)) + 0.5 * (place / len(found.models) - 0.5)
        colour, style = colours[model]
        axes.errorbar(shifted, values, halves, color=colour, linestyle=style, linewidth=1, elinewidth=0.7, capsize=1.5)
    axes.axhline(0, color=_TEXT, linewidth=0.8)
    axes.set_title(f"all kinds: points more than\n{found.models[0]}", fontsize=9, weight="bold")


def _sustained(found: Sustained) -> Any:
    measured: dict[str, list[Any]] = {
        "temperature, °C": [part.temperature_c for part in found.slices],
        "clock, MHz": [part.clock_mhz for part in found.slices],
    }
    told = {name: values for name, values in measured.items() if any(value is not None for value in values)}
    figure = _figure(12, 4.4 + 1.5 * len(told))
    heights = {"height_ratios": [3] + [1] * len(told)}
    panels = figure.subplots(1 + len(told), 1, sharex=True, squeeze=False, gridspec_kw=heights)[:, 0]
    colours = _by_model(found.names)
    for row, name in enumerate(found.names):
        parts = [part for part in found.slices if part.row == row]
        minutes, took = [part.at_s / 60 for part in parts], [part.p50_us for part in parts]
        colour, style = colours[name]
        panels[0].plot(minutes, took, style, color=colour, linewidth=1.3, label=f"{name}, ×{found.change(row):.2f}")
        panels[0].fill_between(minutes, took, [part.p95_us for part in parts], color=colour, alpha=0.08, linewidth=0)
    panels[0].set_yscale("log")
    _plain_ticks(panels[0].yaxis)
    panels[0].set(ylabel="latency, µs")
    title = "last fifth of the time\nagainst the first"
    figure.legend(frameon=False, loc="outside right upper", fontsize=8.5, title=title, title_fontsize=8.5)
    panels[0].set_title("Latency while running on: median, and up to the 95th percentile", fontsize=11)
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
