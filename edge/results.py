"""What the reader returns: readings of crops, digits of a frame. Plain values, no behaviour but JSON."""

from dataclasses import dataclass, field
from typing import Any

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the source."""


@dataclass(frozen=True)
class Reading:
    """What a model says of one crop.

    Attributes:
        digit: 0 to 9, or None where the crop was rejected as no digit.
        confidence: Calibrated probability in [0, 1] of the most likely digit.
    """

    digit: int | None
    confidence: float


@dataclass(frozen=True)
class Digit:
    """A digit found in a frame.

    Attributes:
        digit: 0 to 9.
        confidence: Calibrated probability in [0, 1].
        box: Where it is.
        track: Number that the same digit keeps from frame to frame; None in a single image.
        stable: Whether several frames agree; None in a single image.
    """

    digit: int
    confidence: float
    box: Box
    track: int | None = None
    stable: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the digit as the contract has it; `track` and `stable` only where there is time."""
        value: dict[str, Any] = {
            "digit": self.digit,
            "confidence": round(self.confidence, 4),
            "box": list(self.box),
        }
        if self.track is not None:
            value |= {"track": self.track, "stable": bool(self.stable)}
        return value


@dataclass(frozen=True)
class FrameResult:
    """All that was read in one frame or image.

    Attributes:
        source: Name of the camera or the file.
        width: Width of the source in pixels.
        height: Height of the source in pixels.
        digits: In reading order, top line first; rejected blobs aren't among them.
        lines: Number of digits in each line of text, top first; sums to ``len(digits)``.
        timings: Milliseconds of each stage: ``"find"``, ``"normalize"``, ``"classify"``, ….
        frame: Number of the frame from 0; None for a single image.
    """

    source: str
    width: int
    height: int
    digits: tuple[Digit, ...]
    lines: tuple[int, ...]
    timings: dict[str, float] = field(default_factory=dict)
    frame: int | None = None

    def __post_init__(self) -> None:
        if sum(self.lines) != len(self.digits):
            raise ValueError(f"lines hold {sum(self.lines)} digits, but there are {len(self.digits)}")

    @property
    def text(self) -> str:
        """The digits as text, a newline between lines."""
        rest = iter(self.digits)
        return "\n".join("".join(str(next(rest).digit) for _ in range(count)) for count in self.lines)

    @property
    def latency_ms(self) -> float:
        """Milliseconds that reading this frame took, all stages together."""
        return sum(self.timings.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the result as one object of the JSON lines contract."""
        value: dict[str, Any] = {"source": self.source}
        if self.frame is not None:
            value["frame"] = self.frame
        return value | {
            "width": self.width,
            "height": self.height,
            "digits": [digit.to_json() for digit in self.digits],
            "text": self.text,
            "latency_ms": round(self.latency_ms, 2),
        }
