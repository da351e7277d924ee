"""Says why a quantized model is slower than its float original, from the times of both's operations.

It names what the times, the operations' types and the processor's features show. Where they show
nothing, it says so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgits.benchmarks.graph import DELEGATE
from edgits.benchmarks.machine import DOT_PRODUCTS
from edgits.benchmarks.noise import Ratio, ratio
from edgits.benchmarks.op_times import OperationTime
from edgits.benchmarks.rows import BenchmarkRow

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
_WORTH_SAYING = 0.05  # share of the inference


@dataclass(frozen=True)
class Explanation:
    """Why one row is slower than another.

    Attributes:
        model: Name of the quantized row.
        against: Name of the float row.
        ratio: How many times its time the quantized model takes.
        reasons: In sentences, the weightiest first.
        operations: Times of the quantized model's operations.
        float_operations: Times of the float model's.
    """

    model: str
    against: str
    ratio: Ratio
    reasons: tuple[str, ...]
    operations: tuple[OperationTime, ...]
    float_operations: tuple[OperationTime, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        times = {"operations": self.operations, "float_operations": self.float_operations}
        listed = {name: [vars(each) | {"us": round(each.us, 2)} for each in part] for name, part in times.items()}
        about = {"model": self.model, "against": self.against, "ratio": vars(self.ratio), "reasons": list(self.reasons)}
        return about | listed


def slower_than_float(rows: Sequence[BenchmarkRow]) -> list[tuple[int, int]]:
    """Finds quantized rows that are surely slower than the float row of the same network, runtime and threads.

    Returns:
        Pairs of indexes into `rows`: quantized, float.
    """
    pairs = []
    for place, row in enumerate(rows):
        partner = float_partner(rows, row)
        if partner is not None:
            compared = ratio(row.latency.rounds_us, rows[partner].latency.rounds_us)
            if compared.sure and compared.value > 1:
                pairs.append((place, partner))
    return pairs


def float_partner(rows: Sequence[BenchmarkRow], row: BenchmarkRow) -> int | None:
    """Returns the index of the float row to compare a quantized row with: of the same network where there is one."""
    if not row.quantized:
        return None
    same = [
        place
        for place, other in enumerate(rows)
        if not other.quantized and (other.runtime, other.threads, other.macs) == (row.runtime, row.threads, row.macs)
    ]
    exact = [place for place in same if "float16" not in rows[place].model]  # float16 is unpacked when it is loaded
    return next(iter(exact or same), None)


def explain(
    row: BenchmarkRow,
    other: BenchmarkRow,
    operations: Sequence[OperationTime],
    float_operations: Sequence[OperationTime],
    features: Sequence[str],
) -> Explanation:
    """Explains why `row` is slower than `other`.

    Args:
        row: The quantized row.
        other: The float row.
        operations: Times of the quantized model's operations; none where they can't be had.
        float_operations: Times of the float model's.
        features: What the processor has, see `describe_machine`.
    """
    total = sum(step.us for step in operations) or 1.0
    reasons = [
        *_off_delegate(operations, float_operations, total, row.runtime),
        *_conversions(operations, total),
        *_on_the_fly(operations),
        *_slow_kinds(operations, float_operations, features),
    ]
    if not operations:
        reasons = ["the runtime tells no times of operations (the format's schema comes with ai-edge-litert)"]
    elif not reasons:
        reasons = ["no single operation stands out: the times of all differ by a little"]
    compared = ratio(row.latency.rounds_us, other.latency.rounds_us)
    return Explanation(row.name, other.name, compared, tuple(reasons), tuple(operations), tuple(float_operations))


def _off_delegate(
    steps: Sequence[OperationTime], floats: Sequence[OperationTime], total: float, runtime: str
) -> list[str]:
    """Names operations outside the delegate, where the float model's are in it."""
    outside = [step for step in steps if not step.delegated]
    taken = sum(step.us for step in outside)
    if not outside or not any(step.delegated for step in floats) or taken < _WORTH_SAYING * total:
        return []
    count = "none of its" if len(outside) == len(steps) else f"{len(outside)} of its"
    runs = "run" if len(outside) > 1 else "runs"
    where = f"{count} {len(steps)} operations {'run in' if count[0] == 'n' else runs + ' off'} {DELEGATE}"
    names = f"{', '.join(dict.fromkeys(step.name for step in outside))}: {taken:,.0f} of {total:,.0f} µs"
    return [f"{where} ({names}), since it has {_missing(outside)}; {runtime}'s own kernels do it, much slower"]


def _missing(steps: Sequence[OperationTime]) -> str:
    types = {kind for step in steps for kind in step.types}
    if "int16" in types:
        return "none for 16-bit activations (int16x8)"
    if any("float32" in step.types[:1] and "int8" in step.types for step in steps):
        return "none of these for float input with 8-bit weights (dynamic quantization)"
    return f"none of these for {', '.join(sorted(types)) or 'their types'}"


def _conversions(steps: Sequence[OperationTime], total: float) -> list[str]:
    found = [step for step in steps if step.name in _CONVERSIONS]
    taken = sum(step.us for step in found)
    if taken < _WORTH_SAYING * total:
        return []
    share = taken / total
    return [f"{len(found)} operations only convert between float and integer: {taken:,.0f} µs, {share:.0%} of its time"]


def _on_the_fly(steps: Sequence[OperationTime]) -> list[str]:
    hybrid = [step for step in steps if "float32" in step.types[:1] and "int8" in step.types[1:2]]
    if not hybrid:
        return []
    return [f"{len(hybrid)} operations quantize their float input at every inference (dynamic quantization)"]


def _slow_kinds(steps: Sequence[OperationTime], floats: Sequence[OperationTime], features: Sequence[str]) -> list[str]:
    """Names the kind of operation that lost most, and what the processor lacks for it."""
    mine, theirs = _by_kind(steps), _by_kind(floats)
    lost = {kind: us - theirs[kind] for kind, us in mine.items() if kind in theirs}
    worst = max(lost, key=lambda kind: lost[kind], default=None)
    reasons = []
    if worst and lost[worst] > _WORTH_SAYING * sum(theirs.values()):
        reasons.append(f"{worst} takes {_us(mine[worst])} µs, in float {_us(theirs[worst])} µs")
    if not DOT_PRODUCTS & set(features):
        has = ", ".join(features) or "nothing known"
        reasons.append(
            f"this processor has no dot products of 8-bit integers (VNNI, NEON dotprod; it has {has}): "
            "products are widened first, which float needn't"
        )
    return reasons


def _us(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _by_kind(steps: Sequence[OperationTime]) -> dict[str, float]:
    """Sums the times of each kind of operation; ONNX's quantized kinds count as what they stand for."""
    sums: dict[str, float] = defaultdict(float)
    for step in steps:
        sums[step.name.removeprefix("QLinear").removeprefix("Q").removesuffix("Integer")] += step.us
    return sums
