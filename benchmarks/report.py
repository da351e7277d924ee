"""Writes a benchmark as files: JSON, CSV, Markdown, an Excel workbook and plots. Measures nothing."""

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

from edgits import files
from edgits.benchmarks.baseline import data_json, wrong
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.table import machine_text, sustained_lines, warnings
from edgits.errors import require

JSON, CSV, MARKDOWN, WORKBOOK = "benchmark.json", "benchmark.csv", "benchmark.md", "Performance.xlsx"
_PACKAGES = ("matplotlib", "openpyxl")


def check_out(folder: Path) -> None:
    """Checks what would otherwise fail after the measurement.

    Raises:
        OutputError: The folder can't be written.
        MissingExtraError: A package that draws or writes isn't installed.
    """
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            require(package, extra="train")
    files.make_folder(folder)


def benchmark_json(outcome: Benchmark) -> dict[str, Any]:
    """Returns everything as JSON values; a row's ``wrong`` are the indexes of the images that it reads wrong."""
    rows = [
        row.to_json() | {"wrong": wrong(answers, outcome.data.labels)}
        for row, answers in zip(outcome.rows, outcome.answers, strict=True)
    ]
    value = {
        "rows": rows,
        "machine": outcome.machine,
        "data": data_json(outcome.data),
        "left_out": outcome.left_out,
        "conventions": outcome.conventions,
        "explanations": [each.to_json() for each in outcome.explanations],
    }
    if outcome.robustness:
        value["robustness"] = outcome.robustness.to_json()
    if outcome.sustained:
        value["sustained"] = outcome.sustained.to_json()
    return value


def write(folder: Path, outcome: Benchmark) -> list[Path]:
    """Writes the report and returns its files.

    Raises:
        OutputError: The folder can't be written.
    """
    from edgits.benchmarks.plots import save_plots
    from edgits.benchmarks.workbook import save_workbook

    files.write_json(folder / JSON, benchmark_json(outcome))
    files.write_bytes(folder / CSV, csv_text(outcome).encode())
    plots = save_plots(folder, outcome)
    files.write_bytes(folder / MARKDOWN, markdown(outcome, [path.name for path in plots]).encode())
    save_workbook(folder / WORKBOOK, outcome)
    return [folder / name for name in (JSON, CSV, MARKDOWN, WORKBOOK)] + plots


def csv_text(outcome: Benchmark) -> str:
    """Returns a line a row, with the fields of its JSON; pairs and lists are parted by blanks."""
    rows = [row.to_json() for row in outcome.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        joined = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}
        writer.writerow(joined)
    return text.getvalue()


def markdown(outcome: Benchmark, plots: list[str]) -> str:
    """Returns the report as Markdown, such as a pull request shows it.

    Args:
        outcome: The benchmark.
        plots: Names of the pictures beside it.
    """
    head = ("model", "runtime", "size", "accuracy", "drop (95 %)", "p", "flips", "p50 µs", "p99 µs", "img/s", "memory")
    lines = ["# Benchmark", "", _line(head), _line(["---"] * 2 + ["---:"] * (len(head) - 2))]
    for row in outcome.rows:
        low, high = row.ci95
        compared = row.comparison
        told = ("reference", "", "")
        if compared:
            drop = f"{compared.drop_pp:+.2f} ({compared.drop_ci95[0]:+.2f} to {compared.drop_ci95[1]:+.2f})"
            told = (f"**{drop}**" if compared.verdict in ("worse", "better") else drop, *_chance(compared))
        threads = f", {row.threads} threads" if row.threads > 1 else ""
        cells = (
            *(row.model, f"{row.runtime}{threads}", f"{row.bytes / 1000:,.1f} kB"),
            f"{100 * row.accuracy:.2f} % ({100 * low:.2f}–{100 * high:.2f})",
            *told,
            *(f"{row.latency.p50_us:.1f}", f"{row.latency.p99_us:.1f}", f"{row.cost.images_per_s:,.0f}"),
            f"{row.cost.memory_mb:,.0f} MB",
        )
        lines.append(_line(cells))
    lines += ["", f"{outcome.rows[0].n:,} images. In bold: what isn't chance (McNemar's test, p below 0.05).", ""]
    for each in outcome.explanations:
        lines += [f"**{each.model}** takes {each.ratio.text()} times as long as {each.against}:", ""]
        lines += [*(f"- {reason}" for reason in each.reasons), ""]
    if outcome.robustness:
        found = outcome.robustness
        lines += [f"- {name}: {found.verdict(place)}" for place, name in enumerate(found.models) if place] + [""]
    first, *rest = sustained_lines(outcome) or [""]
    lines += [
        first,
        "",
        *(f"- {line.strip()}" for line in rest),
        "",
        *warnings(outcome.machine),
        "",
        machine_text(outcome.machine),
        "",
    ]
    lines += [f"![{Path(name).stem}]({name})" for name in plots]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _chance(compared: Any) -> tuple[str, str]:
    return f"{compared.p_value:.2g}", str(compared.flips)


def _line(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
