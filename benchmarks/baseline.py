"""Compares a benchmark with an earlier one of the same board, and flags what got worse beyond noise.

Accuracy is compared image by image where both saw the same images; otherwise by the intervals alone.
A speed has another day's weather in it: it must be slower in every round, and by a tenth.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.benchmarks.rows import SURE, BenchmarkRow
from edgits.dataset import Dataset
from edgits.errors import DataError
from edgits.stats import mcnemar

_SLOWER, _BIGGER, _MORE_MEMORY = 1.1, 1.01, 1.1
_SAME = ("board", "cpu", "architecture", "cores")


def data_json(data: Dataset) -> dict[str, Any]:
    """Returns what tells one set of images from another, as JSON values."""
    digest = hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest()
    return {"source": str(data.provenance.get("source", "")), "n": len(data), "sha256": digest}


def wrong(answers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> list[int]:
    """Returns the indexes of the images that are read wrong."""
    return [int(place) for place in np.flatnonzero(answers != labels)]


def load_baseline(path: Path, machine: dict[str, Any]) -> dict[str, Any]:
    """Loads an earlier benchmark.

    Args:
        path: What `edgits benchmark --json` printed, or `benchmark.json` of `--out`.
        machine: What `describe_machine` returns.

    Raises:
        DataError: The file is none, or was measured on another board.
    """
    try:
        value = json.loads(path.read_bytes())
        rows, then = value["rows"], value["machine"]
        _ = [(row["model"], row["runtime"], row["threads"], row["rounds_us"], row["wrong"]) for row in rows]
        _ = value["data"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' is no baseline ({error!r}); make one with: edgits benchmark … --json") from error
    for name in _SAME:
        if then.get(name) != machine[name]:
            raise DataError(
                f"'{path}' was measured on another machine: {name} was {then.get(name)}, is {machine[name]}; "
                "make a baseline on this one"
            )
    return dict(value)


def regressions(
    rows: Sequence[BenchmarkRow], answers: Sequence[npt.NDArray[np.int64]], data: Dataset, baseline: dict[str, Any]
) -> list[str]:
    """Says what is worse than in the baseline; rows that aren't in both are passed over.

    Args:
        rows: The rows of now.
        answers: int64 (N,) a row.
        data: The images.
        baseline: What `load_baseline` returned.

    Raises:
        DataError: No row is in both.
    """
    earlier = {(row["model"], row["runtime"], row["threads"]): row for row in baseline["rows"]}
    same = baseline["data"]["sha256"] == data_json(data)["sha256"]
    found, compared = [], 0
    for row, digits in zip(rows, answers, strict=True):
        then = earlier.get((row.model, row.runtime, row.threads))
        if then is not None:
            compared += 1
            found += _accuracy(row, wrong(digits, data.labels), then, same=same)
            found += _speed(row, then)
            found += _size(row, then)
    if not compared:
        raise DataError("no model of the baseline is in this benchmark; name the models that it has")
    return found


def _accuracy(row: BenchmarkRow, mistakes: list[int], then: dict[str, Any], *, same: bool) -> list[str]:
    told = f"{row.name} reads {row.accuracy:.2%} right, {then['accuracy']:.2%} in the baseline"
    if same:
        lost, gained = len(set(mistakes) - set(then["wrong"])), len(set(then["wrong"]) - set(mistakes))
        p_value = mcnemar(lost, gained)
        return [f"{told} (p {p_value:.2g})"] if lost > gained and p_value < SURE else []
    return [f"{told}, on other images"] if row.ci95[1] < then["ci95"][0] else []


def _speed(row: BenchmarkRow, then: dict[str, Any]) -> list[str]:
    before, now = then["p50_us"], row.latency.p50_us
    slower = now > _SLOWER * before and min(row.latency.rounds_us) > max(then["rounds_us"])
    return [f"{row.name} takes {now:.1f} µs, {before:.1f} in the baseline"] if slower else []


def _size(row: BenchmarkRow, then: dict[str, Any]) -> list[str]:
    found = []
    if row.bytes > _BIGGER * then["bytes"]:
        found.append(f"{row.name} has {row.bytes:,} bytes, {then['bytes']:,} in the baseline")
    if row.cost.memory_mb > _MORE_MEMORY * then["memory_mb"]:
        found.append(f"{row.name} takes {row.cost.memory_mb:.0f} MB of memory, {then['memory_mb']:.0f} in the baseline")
    return found
