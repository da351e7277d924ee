"""Names what is wrong with a model file by how it answers. Runs and reads nothing itself.

It knows the faults by which conversions fail in silence, and no others: what has none of their marks and
still answers otherwise than its reference is said to differ, without a cause.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgits.edge.runtimes import Floats
from edgits.export.check import Check
from edgits.export.structure import Structure
from edgits.stats import count_labels

# By this much accuracy must rise, and to that much, before another input is taken for the right one. Four
# sound nets read 4 to 36 % of inverted digits, 82 to 99 % of upright ones.
_JUMP, _RIGHT = 0.2, 0.5
# Room above the commonest digit's share for what a net of random weights reads by luck.
_ABOVE_CHANCE = 0.15
# Of real images no two classes are alike; an ill-fed net may still read another digit now and then.
_ONE_DIGIT = 0.99
# The least bytes for a parameter: 4 bits are half a byte.
_LEAST_BYTES = 0.4
# Inputs reach 1; a range a little off that comes from the images that calibrated it.
_RANGES = (0.5, 2.0)


@dataclass(frozen=True)
class Fault:
    """Something wrong.

    Attributes:
        name: Short name, such as ``"constant output"``.
        meaning: What was found.
        advice: What to do.
        explains_answers: Whether wrong answers are its consequence, and need no other cause.
    """

    name: str
    meaning: str
    advice: str
    explains_answers: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.meaning}; {self.advice}"


@dataclass(frozen=True)
class Evidence:
    """What a runtime made of a file.

    Attributes:
        check: How its answers compare with the reference's.
        scores: float32 (N, classes), raw.
        digits: int64 (N,), what it reads.
        labels: int64 (N,).
        probed: Accuracy on some of the images ``"as they are"``, ``"inverted"``, ``"times 255"``
            and ``"divided by 255"``.
    """

    check: Check
    scores: Floats
    digits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    probed: dict[str, float]


def structural_faults(structure: Structure | None, *, parameters: int, fixed_batch: bool) -> list[Fault]:
    """Finds what is wrong with a file before it runs.

    Args:
        structure: What the file consists of, where that could be read.
        parameters: How many the reference has; 0 where that isn't known.
        fixed_batch: Whether the file's recipe fixes the batch.
    """
    if structure is None:
        return []
    faults = []
    if structure.constants < _LEAST_BYTES * parameters:
        meaning = f"{structure.constants:,} bytes of constants for {parameters:,} parameters"
        faults.append(Fault("weights missing", meaning, "convert it with edgits export", True))
    if structure.batch is not None and not fixed_batch:
        meaning = f"it takes {structure.batch} image{'s'[: structure.batch > 1]} at a time, always"
        faults.append(Fault("fixed batch", meaning, "convert with an open batch axis (None)"))
    highest = structure.highest_input
    if highest is not None and not _RANGES[0] <= highest <= _RANGES[1]:
        meaning = f"its quantized input ends at {highest:.3g}, the images' values at 1"
        faults.append(Fault("calibration range", meaning, "calibrate with images in [0, 1]", True))
    return faults


def answer_faults(evidence: Evidence, *, explained: bool) -> list[Fault]:
    """Finds the likeliest cause of wrong answers: at most one fault.

    Args:
        evidence: What a runtime made of the file.
        explained: Whether the file's structure tells already why it answers wrong.
    """
    bad = int((~np.isfinite(evidence.scores)).any(axis=1).sum())
    if bad:
        meaning = f"NaN or infinity on {bad:,} of {len(evidence.scores):,} images"
        return [Fault("not finite", meaning, "its weights are lost or damaged: export it again")]
    if explained:
        return []
    found = _constant(evidence) or _other_input(evidence) or _one_digit(evidence) or _chance(evidence)
    if found is None and evidence.check.problem:
        found = Fault("differs", evidence.check.problem, "export it again, or compare it with its own original")
    return [found] if found else []


def _constant(evidence: Evidence) -> Fault | None:
    if len(np.unique(evidence.labels)) < 2 or np.ptp(evidence.scores, axis=0).max() > 0:
        return None
    return Fault("constant output", "the same scores whatever the image", "its last layer is lost: export it again")


def _other_input(evidence: Evidence) -> Fault | None:
    """Finds a kind of input that the file reads much better than the normalised images."""
    plain = evidence.probed["as they are"]
    best = max(evidence.probed, key=lambda kind: evidence.probed[kind])
    if evidence.probed[best] < max(_RIGHT, plain + _JUMP):
        return None
    meaning = f"it reads {plain:.1%} of the images right, {evidence.probed[best]:.1%} of them {best}"
    if best == "inverted":
        return Fault("swapped polarity", meaning, "train and convert it for white ink on black, or check the images")
    return Fault("input scale", meaning, "train and convert it for inputs in [0, 1]")


def _one_digit(evidence: Evidence) -> Fault | None:
    counts = count_labels(evidence.digits)
    if len(np.unique(evidence.labels)) < 2 or counts.max() < _ONE_DIGIT * len(evidence.digits):
        return None
    meaning = f"it reads {counts.argmax()} in {counts.max():,} of {len(evidence.digits):,} images"
    return Fault("constant output", meaning, "its weights or its input's range are wrong: export it again")


def _chance(evidence: Evidence) -> Fault | None:
    commonest = float(count_labels(evidence.labels).max() / len(evidence.labels))
    if evidence.check.accuracy >= min(commonest + _ABOVE_CHANCE, 1):
        return None
    meaning = (
        f"it reads {evidence.check.accuracy:.1%} of {len(evidence.labels):,} images right, always naming the "
        f"commonest digit {commonest:.1%}, the reference {evidence.check.reference_accuracy:.1%}"
    )
    return Fault("chance level", meaning, "its weights are untrained or lost: export the trained model")
