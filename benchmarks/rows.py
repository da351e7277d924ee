"""One line of a benchmark: what a model answers and how fast, in one runtime. Measures nothing itself."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.errors import DataError, GateError
from edgits.stats import mcnemar, paired_difference, wilson


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A row's answers beside the reference's, on the same images.

    Attributes:
        drop_pp: Accuracy lost in percentage points, negative where it was gained.
        drop_ci95: Its paired 95 % interval, in percentage points.
        p_value: McNemar's exact test: how likely a difference as large is if both are equally good.
        flips: Images that are answered differently, right or wrong.
    """

    drop_pp: float
    drop_ci95: tuple[float, float]
    p_value: float
    flips: int


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one inference of one image takes, normalisation not included.

    Attributes:
        p50_us: Median in microseconds, over all rounds.
        p95_us: 95th percentile in microseconds, over all rounds.
        rounds_us: Least and largest median of a round: how far the machine itself drifted.
        repeats: Number of inferences timed.
    """

    p50_us: float
    p95_us: float
    rounds_us: tuple[float, float]
    repeats: int

    def __post_init__(self) -> None:
        if not 0 < self.p50_us <= self.p95_us or self.repeats < 1:
            raise DataError(f"a latency must be above 0, found {self}")


@dataclass(frozen=True, kw_only=True)
class BenchmarkRow:
    """One model in one runtime.

    Attributes:
        model: The file's name.
        path: Where the file is.
        format: Its card's format, such as ``"tflite-int8"``; the suffix where there is no card.
        runtime: Name of the runtime.
        version: The runtime's version.
        threads: Threads of one inference; 0 where the runtime chooses them itself.
        bytes: Size of the file.
        parameters: Parameters of the float model; 0 where no card says it.
        macs: Multiply-accumulate operations for an image; 0 where no card says it.
        n: Number of images.
        correct: How many of them it reads right, the best of the ten digits taken.
        latency: Time of an inference.
        load_ms: Time to import the runtime and load the file, in milliseconds.
        memory_mb: Peak resident memory, in 10^6 bytes, of a process that does nothing else.
        comparison: Against the reference; None for the reference itself.
    """

    model: str
    path: str
    format: str
    runtime: str
    version: str
    threads: int
    bytes: int
    parameters: int
    macs: int
    n: int
    correct: int
    latency: Latency
    load_ms: float
    memory_mb: float
    comparison: Comparison | None

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or self.n < 1:
            raise DataError(f"right answers must be 0 to n, found {self.correct} of {self.n}")

    @property
    def accuracy(self) -> float:
        """Share of the images read right, in [0, 1]."""
        return self.correct / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.correct, self.n)

    def to_json(self) -> dict[str, Any]:
        """Returns the row as JSON values, flat; what compares is null for the reference."""
        value = asdict(self)
        latency, comparison = value.pop("latency"), value.pop("comparison")
        nothing = dict.fromkeys(Comparison.__dataclass_fields__)
        compared = {name: _rounded(figure) for name, figure in (comparison or nothing).items()}
        value |= {"accuracy": round(self.accuracy, 6), "ci95": _rounded(self.ci95, 6)}
        value |= {name: _rounded(figure) for name, figure in latency.items()}
        value |= {"load_ms": round(self.load_ms, 1), "memory_mb": round(self.memory_mb, 1)}
        return value | {"reference": self.comparison is None} | compared


def compare(
    predictions: npt.NDArray[np.int64], reference: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> Comparison:
    """Compares answers with the reference's.

    Args:
        predictions: int64 (N,), the digits read.
        reference: int64 (N,), the digits that the reference read.
        labels: int64 (N,), the truth.
    """
    right, expected = predictions == labels, reference == labels
    lost, gained = int((expected & ~right).sum()), int((right & ~expected).sum())
    low, high = paired_difference(lost, gained, len(labels))
    return Comparison(
        drop_pp=100 * (lost - gained) / len(labels),
        drop_ci95=(100 * low, 100 * high),
        p_value=mcnemar(lost, gained),
        flips=int((predictions != reference).sum()),
    )


def check_drop(rows: list[BenchmarkRow], max_drop_pp: float) -> None:
    """Holds every row to a largest drop against the reference, in percentage points.

    Raises:
        GateError: A row lost more; the message names each such model, runtime and figure.
    """
    failed = [
        f"{row.model} on {row.runtime} lost {row.comparison.drop_pp:.2f}"
        for row in rows
        if row.comparison and row.comparison.drop_pp > max_drop_pp + 1e-9
    ]
    if failed:
        raise GateError(f"{'; '.join(failed)} points of accuracy against the reference, {max_drop_pp:g} allowed")


def _rounded(value: Any, digits: int = 4) -> Any:
    if isinstance(value, tuple):
        return [_rounded(part, digits) for part in value]
    return round(value, digits) if isinstance(value, float) else value
