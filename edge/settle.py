"""Tells which number stands there: what the frames agree on and what stays for a moment.

It knows digits and times, no images. The tracker settles each digit; this settles the whole text, so that
a screen, a message or a relay changes once when the number does.
"""

from dataclasses import dataclass, replace

from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import Shot

# Seconds of frames' time for which a text must stay. With the tracker's own delay, a new number is
# there within half a second.
_HOLD = 0.15
# A digit that the frames don't agree on holds the rest up for so long at most.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Number:
    """A number that stands there.

    Attributes:
        text: Its digits, a newline between lines and a space between the numbers of a line; empty where there is none.
        confidence: That of its least sure digit, in [0, 1]; 0 where there is none.
    """

    text: str = ""
    confidence: float = 0.0


class Settler:
    """Follows the number through the shots of a camera.

    Attributes:
        number: What stands there now.
    """

    def __init__(self) -> None:
        self.number = Number()
        self._candidate, self._since = "", 0.0
        self._agreed = 0.0  # when all digits were stable last

    def update(self, shot: Shot) -> Number | None:
        """Takes the next shot; returns the new number if it changed, else None.

        While the camera is lost, no number stands there.
        """
        if shot.lost is not None:
            self._candidate = ""
            return self._become(Number())
        time, digits = shot.frame.time, shot.result.digits
        if time < self._agreed:  # the source began anew
            self._agreed = self._since = time
        if all(digit.stable for digit in digits):
            self._agreed = time
        elif time - self._agreed < _PATIENCE:
            return None
        text, stable = _stable_text(shot.result)
        if not _same_digits(text, self._candidate):
            self._candidate, self._since = text, time
        if time - self._since < _HOLD:
            return None
        return self._become(Number(self._candidate, min((digit.confidence for digit in stable), default=0.0)))

    def _become(self, number: Number) -> Number | None:
        changed = number.text != self.number.text
        self.number = number
        return number if changed else None


def _same_digits(one: str, other: str) -> bool:
    """Tells whether texts are alike but for how digits are parted into numbers, which may be doubtful."""
    return one.replace(" ", "") == other.replace(" ", "")


def _stable_text(result: FrameResult) -> tuple[str, list[Digit]]:
    """Returns the text of those digits that are stable, and them."""
    rest, counts, stable = iter(result.digits), [], []
    for count in result.lines:
        line = [digit for digit in (next(rest) for _ in range(count)) if digit.stable]
        stable += line
        counts.append(len(line))
    numbers = replace(result, digits=tuple(stable), lines=tuple(counts)).numbers
    return "\n".join(" ".join(line) for line in numbers if line), stable
