"""What the reader returns: readings of crops, digits of a frame. Plain values, no behaviour but JSON."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgits.edge.layout import split_numbers
from edgits.images import Image

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True)
class Turn:
    """How the source's picture was brought upright before it was read: first rotated, then mirrored.

    Attributes:
        rotate: Degrees clockwise.
        mirror: Whether left and right were exchanged.
    """

    rotate: Literal[0, 90, 180, 270] = 0
    mirror: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of the source for those of the upright picture, and the other way round."""
        return (height, width) if self.rotate in (90, 270) else (width, height)

    def back(self, box: Box, width: int, height: int) -> Box:
        """Brings a box of the upright picture, which is `width` by `height`, to the pixels of the source."""
        left, top, wide, high = box
        if self.mirror:
            left = width - left - wide
        right, bottom = width - left - wide, height - top - high
        return {
            0: (left, top, wide, high),
            90: (top, right, high, wide),
            180: (right, bottom, wide, high),
            270: (bottom, left, high, wide),
        }[self.rotate]


UPRIGHT = Turn()
"""The turn of a picture that was read as it came."""


@dataclass(frozen=True)
class Reading:
    """What a model says of one crop.

    Attributes:
        likeliest: The most likely digit, 0 to 9.
        confidence: Its calibrated probability in [0, 1].
        accepted: Whether that is enough to call the crop a digit.
        any_digit: Calibrated probability, in [0, 1], that the crop is a digit at all.
        several: Calibrated probability, in [0, 1], that it holds digits that touch; 0.9 of a model that can't tell.
    """

    likeliest: int
    confidence: float
    accepted: bool = True
    any_digit: float = 1.0
    several: float = 0.9

    @property
    def digit(self) -> int | None:
        """0 to 9, or None where the crop was rejected as no digit."""
        return self.likeliest if self.accepted else None


@dataclass(frozen=True)
class Digit:
    """A digit found in a frame.

    Attributes:
        digit: 0 to 9.
        confidence: Calibrated probability in [0, 1].
        box: Where it is in the picture as it was read, upright.
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


@dataclass(frozen=True, eq=False)
class Known:
    """A digit that was read surely, by which it is known again in the next frame.

    Attributes:
        box: Where it was, in the picture as the reader got it.
        mask: uint8 (h, w), 1 where its ink was, at the size that showed it.
        scale: Pixels of the picture for one of that size's own.
        reading: What it was read as.
    """

    box: Box
    mask: Image
    scale: float
    reading: Reading


@dataclass(frozen=True)
class Area:
    """Where the digits of a frame are, and how they were seen there.

    Attributes:
        box: Around them and what is near, in the picture as the reader got it.
        scales: Sizes that showed them, in pixels of the picture for one of that size's own.
        board: Whether they are light on dark.
    """

    box: Box
    scales: frozenset[float]
    board: bool = False

    def holds(self, box: Box) -> bool:
        """Tells whether a box lies in it."""
        x, y, w, h = self.box
        left, top, wide, high = box
        return x <= left and left + wide <= x + w and y <= top and top + high <= y + h


@dataclass(frozen=True)
class FrameResult:
    """All that was read in one frame or image.

    Attributes:
        source: Name of the camera or the file.
        width: Width of the picture as it was read, upright, in pixels.
        height: Its height in pixels.
        digits: In reading order, top line first; rejected blobs aren't among them.
        lines: Number of digits in each line of text, top first; sums to ``len(digits)``.
        timings: Milliseconds of each stage: ``"find"``, ``"normalize"``, ``"classify"``, ….
        frame: Number of the frame from 0; None for a single image.
        region: The part of the picture that was read; None for all of it.
        turn: How the source's picture was brought upright. `to_json` gives size and boxes in pixels of the source.
        area: Where to look for its digits in the next picture; None if there are none.
        known: Those of them that were read surely.
        doubtful: What may be a digit, too, and isn't reported: rejected or disbelieved, each as the likeliest digit.
        age_ms: Milliseconds from the moment the picture came from a live camera until it was read; None of files.
    """

    source: str
    width: int
    height: int
    digits: tuple[Digit, ...]
    lines: tuple[int, ...]
    timings: dict[str, float] = field(default_factory=dict)
    frame: int | None = None
    region: Box | None = None
    turn: Turn = UPRIGHT
    area: Area | None = field(default=None, repr=False)
    known: tuple[Known, ...] = field(default=(), repr=False)
    doubtful: tuple[Digit, ...] = field(default=(), repr=False)
    age_ms: float | None = None

    def __post_init__(self) -> None:
        if sum(self.lines) != len(self.digits):
            raise ValueError(f"lines hold {sum(self.lines)} digits, but there are {len(self.digits)}")

    @property
    def text(self) -> str:
        """The digits as text, a newline between lines."""
        rest = iter(self.digits)
        return "\n".join("".join(str(next(rest).digit) for _ in range(count)) for count in self.lines)

    @property
    def numbers(self) -> tuple[tuple[str, ...], ...]:
        """The numbers of each line, as text: digits that stand apart from the others of a line are other numbers."""
        found, begin = [], 0
        for count in self.lines:
            line = self.digits[begin : begin + count]
            begin += count
            rest = iter(line)
            sizes = split_numbers([digit.box for digit in line])
            found.append(tuple("".join(str(next(rest).digit) for _ in range(size)) for size in sizes))
        return tuple(found)

    @property
    def latency_ms(self) -> float:
        """Milliseconds that reading this frame took, all stages together."""
        return sum(self.timings.values())

    def after(self, *others: "FrameResult") -> "FrameResult":
        """Returns this result with the time that readings of the same picture before it took, too."""
        every = (self, *others)
        return replace(
            self, timings={stage: sum(one.timings.get(stage, 0.0) for one in every) for stage in self.timings}
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the result as one object of the JSON lines contract: size and boxes in pixels of the source.

        `rotate` stands there only where the source's picture was turned.
        """
        value: dict[str, Any] = {"source": self.source}
        if self.frame is not None:
            value["frame"] = self.frame
        width, height = self.turn.size(self.width, self.height)
        value |= {
            "width": width,
            "height": height,
            "digits": [
                digit.to_json() | {"box": list(self.turn.back(digit.box, self.width, self.height))}
                for digit in self.digits
            ],
            "text": self.text,
            "numbers": [list(line) for line in self.numbers],
            "latency_ms": round(self.latency_ms, 2),
        }
        if self.turn.rotate:
            value["rotate"] = self.turn.rotate
        if self.age_ms is not None:
            value["age_ms"] = round(self.age_ms, 1)
        return value
