"""One line of a benchmark: what a model answers and how fast, in one runtime. Measures nothing itself."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.errors import DataError
from edgits.stats import mcnemar, paired_difference, wilson

SURE = 0.05  # a p value below it is called a difference


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

    @property
    def verdict(self) -> str:
        """What may be said of the accuracy: ``"same answers"``, ``"worse"``, ``"better"``, or ``"not told apart"``."""
        if self.flips == 0:
            return "same answers"
        if self.p_value >= SURE:
            return "not told apart"
        return "worse" if self.drop_pp > 0 else "better"


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one inference of one image takes inside the runtime; normalisation is not included.

    Attributes:
        p50_us: Median in microseconds, over all rounds; so the other percentiles.
        p90_us: 90th percentile.
        p95_us: 95th percentile.
        p99_us: 99th percentile.
        rounds_us: Median of each round, in the order in which they were timed.
        call_us: Median of a whole call from Python: input quantized and copied in, scores copied out.
        repeats: Number of inferences timed.
    """

    p50_us: float
    p90_us: float
    p95_us: float
    p99_us: float
    rounds_us: tuple[float, ...]
    call_us: float
    repeats: int

    def __post_init__(self) -> None:
        if not 0 < self.p50_us <= self.p90_us <= self.p95_us <= self.p99_us or self.repeats < 1 or not self.rounds_us:
            raise DataError(f"a latency must be above 0 and its percentiles in order, found {self}")

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float]], calls: Sequence[float]) -> "Latency":
        """Makes it of the microseconds of every inference, round by round, and of whole calls."""
        p50, p90, p95, p99 = np.percentile(np.concatenate(rounds), (50, 90, 95, 99)).tolist()
        return cls(
            p50_us=p50,
            p90_us=p90,
            p95_us=p95,
            p99_us=p99,
            rounds_us=tuple(float(np.median(part)) for part in rounds),
            call_us=float(np.median(calls)),
            repeats=sum(map(len, rounds)),
        )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model takes besides the time of an inference.

    Attributes:
        batch: Images in a batch.
        images_per_s: Images in a second, batch by batch; the median of the rounds.
        load_ms: Time to import the runtime and load the file, in milliseconds.
        first_ms: Time of the first inference, in milliseconds.
        memory_mb: Peak resident memory, in 10^6 bytes, of a process that does nothing else.
        energy_mj: Energy of an inference in millijoules, of all that the board's meter sees; None where it has none.
    """

    batch: int
    images_per_s: float
    load_ms: float
    first_ms: float
    memory_mb: float
    energy_mj: float | None


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
        parameters: Parameters of the model: its card's, else counted in the file; 0 where neither can be.
        macs: Multiply-accumulate operations for an image, found likewise.
        n: Number of images.
        correct: How many of them it reads right, the best of the ten digits taken.
        latency: Time of an inference.
        cost: What it takes besides.
        delegate: What runs the operations in the runtime's stead, such as ``"XNNPACK 11 of 13"``;
            empty where the runtime has no delegates.
        quantized: Whether weights are of 8 or 16 bit integers.
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
    cost: Cost
    delegate: str
    quantized: bool
    comparison: Comparison | None

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or self.n < 1:
            raise DataError(f"right answers must be 0 to n, found {self.correct} of {self.n}")

    @property
    def name(self) -> str:
        """Model, runtime and threads in a few words: no other row of a benchmark has the same."""
        threads = {0: "", 1: ""}.get(self.threads, f", {self.threads} threads")
        return f"{self.model} on {self.runtime}{threads}"

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
        latency, cost, comparison = value.pop("latency"), value.pop("cost"), value.pop("comparison")
        nothing = dict.fromkeys(Comparison.__dataclass_fields__)
        compared = {name: _rounded(figure) for name, figure in (comparison or nothing).items()}
        value |= {"accuracy": round(self.accuracy, 6), "ci95": _rounded(self.ci95, 6)}
        value |= {name: _rounded(figure) for name, figure in (latency | cost).items()}
        verdict = self.comparison.verdict if self.comparison else None
        return value | {"reference": self.comparison is None, "verdict": verdict} | compared


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


def _rounded(value: Any, digits: int = 4) -> Any:
    if isinstance(value, tuple):
        return [_rounded(part, digits) for part in value]
    return round(value, digits) if isinstance(value, float) else value
