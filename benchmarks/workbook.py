"""Writes a benchmark as an Excel workbook, a sheet a subject. Draws nothing: pictures are put in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgits import files
from edgits.benchmarks.corruptions import KINDS, PUBLISHED, SEVERITIES
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.robustness import Robustness
from edgits.benchmarks.rows import BenchmarkRow
from edgits.dataset import DIGITS
from edgits.errors import require
from edgits.sheets import COUNT, FIGURE, SHARE, add_picture, add_sheet, append, name_cell

_MICRO, _POINTS = "#,##0.0", "+0.00;-0.00;0.00"
# title, width, number format, value
_Column = tuple[str, float, str | None, Callable[[BenchmarkRow], Any]]


def _compared(name: str) -> Callable[[BenchmarkRow], Any]:
    return lambda row: getattr(row.comparison, name) if row.comparison else None


_NAMED: tuple[_Column, ...] = (
    ("Model", 32, None, lambda row: row.model),
    ("Runtime", 14, None, lambda row: row.runtime),
    ("Threads", 9, COUNT, lambda row: row.threads or None),
)
_SUMMARY: tuple[_Column, ...] = (
    ("Bytes", 11, COUNT, lambda row: row.bytes),
    ("Parameters", 12, COUNT, lambda row: row.parameters or None),
    ("MACs", 12, COUNT, lambda row: row.macs or None),
    ("Accuracy", 10, SHARE, lambda row: row.accuracy),
    ("95 % low", 10, SHARE, lambda row: row.ci95[0]),
    ("95 % high", 10, SHARE, lambda row: row.ci95[1]),
    ("Drop, points", 13, _POINTS, _compared("drop_pp")),
    ("95 % low", 10, _POINTS, lambda row: row.comparison and row.comparison.drop_ci95[0]),
    ("95 % high", 10, _POINTS, lambda row: row.comparison and row.comparison.drop_ci95[1]),
    ("McNemar p", 11, FIGURE, _compared("p_value")),
    ("Flips", 8, COUNT, _compared("flips")),
    ("Verdict", 16, None, lambda row: row.comparison.verdict if row.comparison else "reference"),
    ("p50, µs", 10, _MICRO, lambda row: row.latency.p50_us),
    ("Images/s", 11, COUNT, lambda row: row.cost.images_per_s),
    ("Memory, MB", 12, COUNT, lambda row: row.cost.memory_mb),
)
_LATENCY: tuple[_Column, ...] = (
    ("p50, µs", 10, _MICRO, lambda row: row.latency.p50_us),
    ("p90, µs", 10, _MICRO, lambda row: row.latency.p90_us),
    ("p95, µs", 10, _MICRO, lambda row: row.latency.p95_us),
    ("p99, µs", 10, _MICRO, lambda row: row.latency.p99_us),
    ("Call, µs", 10, _MICRO, lambda row: row.latency.call_us),
    ("Fastest round", 14, _MICRO, lambda row: min(row.latency.rounds_us)),
    ("Slowest round", 14, _MICRO, lambda row: max(row.latency.rounds_us)),
    ("Inferences", 11, COUNT, lambda row: row.latency.repeats),
    ("Batch", 8, COUNT, lambda row: row.cost.batch),
    ("Images/s", 11, COUNT, lambda row: row.cost.images_per_s),
    ("Load, ms", 10, _MICRO, lambda row: row.cost.load_ms),
    ("First, ms", 10, "0.00", lambda row: row.cost.first_ms),
    ("Energy, mJ", 11, FIGURE, lambda row: row.cost.energy_mj),
    ("Delegate", 20, None, lambda row: row.delegate or "none"),
)


def save_workbook(path: Path, outcome: Benchmark) -> Path:
    """Writes the workbook; plots that lie beside it are put in.

    Args:
        path: The `.xlsx` file.
        outcome: The benchmark.

    Returns:
        `path`.
    """
    book = require("openpyxl", extra="train").Workbook()
    book.remove(book.active)
    _below(_rows(book, "Summary", (*_NAMED, *_SUMMARY), outcome.rows), path.with_name("pareto.png"))
    _classes(book, outcome, path.with_name("confusion.png"))
    _below(_rows(book, "Latency", (*_NAMED, *_LATENCY), outcome.rows), path.with_name("latency.png"))
    if outcome.explanations:
        _why(book, outcome)
    if outcome.robustness:
        _robustness(book, outcome.robustness, path.with_name("robustness.png"))
    _machine(book, outcome)
    with files.whole_file(path) as temporary:
        book.save(temporary)
    return path


def _rows(book: Any, title: str, columns: Sequence[_Column], rows: Sequence[BenchmarkRow]) -> Any:
    sheet = add_sheet(book, title, [name for name, *_ in columns], [width for _, width, *_ in columns])
    for row in rows:
        append(sheet, [value(row) for *_, value in columns], [form for _, _, form, _ in columns])
    sheet.freeze_panes = "B2"
    return sheet


def _classes(book: Any, outcome: Benchmark, picture: Path) -> None:
    names = [row.name for row in outcome.rows]
    sheet = add_sheet(book, "Per class", ("Digit", "Images", *names), (9, 9, *[24] * len(names)))
    labels = outcome.data.labels
    for digit, name in enumerate(DIGITS):
        shown = labels == digit
        recalls = [float((answers[shown] == digit).mean()) if shown.any() else None for answers in outcome.answers]
        append(sheet, (name_cell(name), int(shown.sum()), *recalls), (None, COUNT, *[SHARE] * len(names)))
    accuracies = [row.accuracy for row in outcome.rows]
    append(sheet, ("all", len(labels), *accuracies), (None, COUNT, *[SHARE] * len(names)), bold=True)
    _below(sheet, picture)


def _why(book: Any, outcome: Benchmark) -> None:
    sheet = add_sheet(book, "Why", ("Model", "Against", "Times as long", "Reason"), (36, 36, 14, 110))
    for each in outcome.explanations:
        for reason in each.reasons:
            append(sheet, (each.model, each.against, each.ratio.value, reason), (None, None, "0.00", None))
    sheet = add_sheet(
        book, "Operations", ("Model", "Operation", "µs", "In the delegate", "Types"), (36, 24, 10, 16, 40)
    )
    for each in outcome.explanations:
        for model, steps in ((each.model, each.operations), (each.against, each.float_operations)):
            for step in steps:
                delegated = "yes" if step.delegated else "no"
                append(
                    sheet,
                    (model, step.name, step.us, delegated, ", ".join(step.types)),
                    (None, None, "0.00", None, None),
                )


def _robustness(book: Any, found: Robustness, picture: Path) -> None:
    head = ("Spoilt by", "Severity", "In MNIST-C", *found.models)
    sheet = add_sheet(book, "Robustness", head, (16, 10, 12, *[24] * len(found.models)))
    forms = (None, COUNT, None, *[SHARE] * len(found.models))
    append(sheet, ("nothing", 0, None, *(1 - found.clean.mean(axis=1)).tolist()), forms)
    errors = found.errors()
    for number, kind in enumerate(KINDS):
        for place, severity in enumerate(SEVERITIES):
            chosen = "yes" if PUBLISHED[kind] == severity else None
            append(sheet, (kind, severity, chosen, *errors[:, number, place].tolist()), forms)
    append(sheet, ("mean", None, "yes", *np.mean(found.published(), axis=1).tolist()), forms, bold=True)
    add_picture(sheet, picture, column=len(head) + 2, width=1100)


def _machine(book: Any, outcome: Benchmark) -> None:
    sheet = add_sheet(book, "Machine", ("Fact", "Value"), (22, 90))
    for name, value in outcome.machine.items():
        append(sheet, (name, value), (None, None))
    for name, value in outcome.conventions.items():
        append(sheet, (f"images of {name}", value), (None, None))
    for value in outcome.left_out:
        append(sheet, ("left out", value), (None, None))


def _below(sheet: Any, picture: Path) -> None:
    """Puts a picture under the rows, where there is one."""
    if picture.is_file():
        add_picture(sheet, picture, column=1, width=1000, row=sheet.max_row + 3)
