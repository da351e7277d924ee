"""Limits that a benchmark must hold, for others' CI. A speed fails only where noise doesn't cover it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgits.benchmarks.baseline import regressions
from edgits.benchmarks.measure import Benchmark
from edgits.benchmarks.noise import ratio
from edgits.benchmarks.rows import BenchmarkRow
from edgits.errors import DataError, GateError


@dataclass(frozen=True)
class LatencyLimit:
    """How much slower a model may be than another.

    Attributes:
        model: Name of its file, with or without suffix.
        other: Name of the other's.
        most: Largest ratio of their times.
    """

    model: str
    other: str
    most: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "LatencyLimit":
        """Reads ``MODEL:MODEL`` or ``MODEL:MODEL=RATIO``.

        Raises:
            DataError: It is neither.
        """
        models, _, most = text.partition("=")
        model, _, other = models.partition(":")
        try:
            limit = cls(model, other, float(most or 1))
        except ValueError:
            limit = cls("", "")
        if not limit.model or not limit.other or not 0 < limit.most < float("inf"):
            raise DataError(
                f"a latency limit must be MODEL:MODEL=RATIO, found '{text}'; such as small-int8:small-float32=1.2"
            )
        return limit


@dataclass(frozen=True)
class Gates:
    """The limits; None where there is none.

    Attributes:
        max_drop: Percentage points of accuracy that a row may lose against the reference.
        max_flips: Images that a row may answer otherwise than the reference.
        min_accuracy: Share in [0, 1] of the images that every row must read right.
        latency: Limits of speed.
    """

    max_drop: float | None = None
    max_flips: int | None = None
    min_accuracy: float | None = None
    latency: tuple[LatencyLimit, ...] = ()

    @property
    def compare(self) -> bool:
        """Whether a limit needs a second model."""
        return self.max_drop is not None or self.max_flips is not None or bool(self.latency)

    def check_names(self, models: Sequence[Path]) -> None:
        """Checks, before anything is measured, that every limit's models are among those.

        Raises:
            DataError: One isn't.
        """
        for name in (name for limit in self.latency for name in (limit.model, limit.other)):
            if not any(_is_named(path, name) for path in models):
                names = ", ".join(dict.fromkeys(path.name for path in models))
                raise DataError(f"a latency limit names '{name}', which isn't among the models: {names}")

    def failures(self, rows: Sequence[BenchmarkRow]) -> list[str]:
        """Says what fails; empty where every row holds every limit."""
        found = []
        for row in rows:
            compared = row.comparison
            if compared and self.max_drop is not None and compared.drop_pp > self.max_drop + 1e-9:
                found.append(f"{row.name} lost {compared.drop_pp:.2f} points of accuracy, {self.max_drop:g} allowed")
            if compared and self.max_flips is not None and compared.flips > self.max_flips:
                found.append(f"{row.name} answers {compared.flips} images otherwise, {self.max_flips} allowed")
            if self.min_accuracy is not None and row.accuracy < self.min_accuracy:
                found.append(f"{row.name} reads {row.accuracy:.2%} right, {self.min_accuracy:.2%} demanded")
        return found + [failure for limit in self.latency for failure in _slow(rows, limit)]

    def check(self, outcome: Benchmark, baseline: dict[str, Any] | None = None) -> None:
        """Holds a benchmark to the limits, and to an earlier one.

        Raises:
            GateError: It names all that fails.
            DataError: The earlier one has none of these models.
        """
        failed = self.failures(outcome.rows)
        if baseline is not None:
            failed += regressions(outcome.rows, outcome.answers, outcome.data, baseline)
        if failed:
            raise GateError("; ".join(failed))


def _slow(rows: Sequence[BenchmarkRow], limit: LatencyLimit) -> list[str]:
    """Compares rows of the same runtime and threads; across runtimes only where the two share none."""
    mine, theirs = ([row for row in rows if _is_named(Path(row.path), name)] for name in (limit.model, limit.other))
    pairs = [(row, other) for row in mine for other in theirs if _place(row) == _place(other)]
    found = []
    for row, other in pairs or [(row, other) for row in mine for other in theirs]:
        times = ratio(row.latency.rounds_us, other.latency.rounds_us)
        if times.low > limit.most:
            found.append(f"{row.name} takes {times.text()} times as long as {other.name}, {limit.most:g} allowed")
    return found


def _place(row: BenchmarkRow) -> tuple[str, int]:
    return row.runtime, row.threads


def _is_named(path: Path, name: str) -> bool:
    return name in (path.name, path.stem, str(path))
