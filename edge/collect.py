"""Collects labelled crops from a camera: which mark is meant, when it holds still, and what a key does.

It knows no window and no files: `edgits.edge.collect_view` draws, `edgits.edge.collection` saves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from edgits.edge.candidate import Candidate
from edgits.edge.collection import Collection
from edgits.edge.find import look
from edgits.edge.frame import Camera, Frame, Truth
from edgits.edge.marks import WIDEST_DIGIT
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Box, Reading

Label = int | Literal["truth"]

_WAIT = 0.2  # seconds for a frame, after which the loop looks whether it shall end
# Marks lower than this share of the highest one are dots and specks.
_LEAST_HEIGHT = 0.35
# A mark holds still if its box overlaps the one of the frame before by this share of both together.
_OVERLAP = 0.6
STEADY_FRAMES = 4
"""A mark that held still for so many frames is taken without a key."""
_UNDO = (ord("u"), 8, 127)  # u and backspace, which some systems send as delete


@dataclass(frozen=True)
class View:
    """What a person shall see of one frame.

    Attributes:
        frame: The frame; while the camera is lost, its last one.
        marks: Where marks were found.
        aimed: The mark that a key would save; None without marks.
        reading: What the model reads there; None without marks.
        counts: Number of images of each digit.
        note: What happened last, one line.
        last: The digit that was saved last; None if none was.
        lost: What is wrong with the camera; None if the frame is a new one.
    """

    frame: Frame
    marks: tuple[Box, ...]
    aimed: Box | None
    reading: Reading | None
    counts: tuple[int, ...]
    note: str
    last: int | None = None
    lost: str | None = None


class Screen(Protocol):
    """Shows views and gives the keys pressed."""

    def show(self, view: View) -> int | None:
        """Shows a view; returns the key pressed, 255 for none, None to end."""
        ...


class Session:
    """One run of collecting.

    Args:
        collection: Where crops go.
        recognizer: Says what it reads, for comparison; it decides nothing.
        label: What every steady mark nearest the middle is saved as; ``"truth"`` saves all steady marks
            as what the source knows them to be; None waits for keys.
        steady: Number of frames that a mark must hold still for to be taken without a key.
        most: Number of saved images after which it is full; None for no end.
    """

    def __init__(
        self,
        collection: Collection,
        recognizer: Recognizer,
        *,
        label: Label | None = None,
        steady: int = STEADY_FRAMES,
        most: int | None = None,
    ) -> None:
        self.collection, self._recognizer, self._most = collection, recognizer, most
        self._label, self._steady = label, steady
        self._held: list[tuple[Box, int]] = []  # boxes of the frame before, and for how many frames they are there
        self._aimed: Candidate | None = None
        self._reading: Reading | None = None
        self._last: int | None = None
        self._note = "show a digit, press its key" if label is None else "hold the digit still"

    @property
    def full(self) -> bool:
        """Whether as many images are saved as were asked for."""
        return self._most is not None and len(self.collection.saved) >= self._most

    def look(self, frame: Frame) -> View:
        """Finds the marks of a frame; with a label, takes those that hold still."""
        marks = digit_like(look(frame.image).candidates)
        self._held = _follow(self._held, [mark.box for mark in marks])
        steady = [mark for mark, (_, age) in zip(marks, self._held, strict=True) if age >= self._steady]
        height, width = frame.image.shape[:2]
        self._aimed = nearest(marks, (width / 2, height / 2))
        self._reading = self._recognizer.read([self._aimed.crop])[0] if self._aimed else None
        for mark, digit in self._labelled(steady, frame.truth):
            if not self.full:
                self._save(mark, digit)
        return self._view(frame, marks)

    def lose(self, frame: Frame, detail: str) -> View:
        """Says that the camera is lost; nothing can be saved until it is back."""
        self._aimed, self._reading, self._held = None, None, []
        return replace(self._view(frame, []), lost=f"camera lost: {detail}")

    def press(self, key: int) -> None:
        """Does what a key says: 0 to 9 saves the mark nearest the middle, u or backspace undoes the last one."""
        if key in _UNDO:
            undone = self.collection.undo()
            self._note = "nothing to undo" if undone is None else f"undone: a {undone.digit}"
            self._last = self.collection.saved[-1].digit if self.collection.saved else None
        elif ord("0") <= key <= ord("9"):
            if self._aimed is None:
                self._note = "no mark in view"
            else:
                self._save(self._aimed, key - ord("0"))

    def _labelled(self, steady: Sequence[Candidate], truth: Truth | None) -> list[tuple[Candidate, int]]:
        """Returns the marks that are taken without a key, each with its digit."""
        if isinstance(self._label, int):
            return [(mark, self._label) for mark in steady if mark is self._aimed]
        if self._label is None or truth is None:
            return []
        known = [(mark, true_digit(mark.box, truth)) for mark in steady]
        return [(mark, digit) for mark, digit in known if digit is not None]

    def _save(self, mark: Candidate, digit: int) -> None:
        reading = self._reading if mark is self._aimed else self._recognizer.read([mark.crop])[0]
        misread = reading is None or reading.digit != digit
        verdict = self.collection.add(mark.crop, digit, misread=misread)
        if verdict == "saved":
            self._last = digit
        notes = {"saved": f"saved a {digit}", "duplicate": f"has this {digit}", "blurred": "blurred: hold still"}
        self._note = notes[verdict]

    def _view(self, frame: Frame, marks: Sequence[Candidate]) -> View:
        boxes = tuple(mark.box for mark in marks)
        aimed = self._aimed.box if self._aimed else None
        return View(frame, boxes, aimed, self._reading, self.collection.counts, self._note, self._last)


def collect(
    camera: Camera,
    session: Session,
    *,
    screen: Screen | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[View]:
    """Runs the loop over an open camera.

    Args:
        camera: Gives the frames; stays open.
        session: Saves.
        screen: Shows each view and gives the keys; None runs without.
        ended: Is asked at least five times a second whether to end.

    Yields:
        What each frame came to, before its key.

    Raises:
        CameraError: The source can't give a frame, now or later.
        OutputError: A crop can't be written.
    """
    last = None
    while not ended() and not session.full:
        frame = camera.read(timeout=_WAIT)
        if frame is not None:
            view, last = session.look(frame), frame
        elif camera.status.state == "ended":
            return
        elif camera.status.state == "lost" and last is not None:
            view = session.lose(last, camera.status.detail)
        else:
            continue
        yield view
        if screen is not None:
            key = screen.show(view)
            if key is None:
                return
            session.press(key)


def nearest(marks: Sequence[Candidate], middle: tuple[float, float]) -> Candidate | None:
    """Returns the mark whose centre is nearest to a point; None of none."""

    def distance(mark: Candidate) -> float:
        x, y, w, h = mark.box
        return (x + w / 2 - middle[0]) ** 2 + (y + h / 2 - middle[1]) ** 2

    return min(marks, key=distance, default=None)


def true_digit(box: Box, truth: Truth) -> int | None:
    """Returns which one digit a mark is: the only one in whose box its centre lies, and of like height."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    fits = [
        digit
        for digit, (left, top, wide, high) in truth.digits
        if left <= x <= left + wide and top <= y <= top + high and 0.7 * high <= box[3] <= 1.3 * high
    ]
    return fits[0] if len(fits) == 1 else None


def digit_like(marks: Sequence[Candidate]) -> list[Candidate]:
    """Drops what no single digit is: wide marks, and specks beside the highest mark."""
    single = [mark for mark in marks if mark.box[2] <= WIDEST_DIGIT * mark.box[3]]
    highest = max((mark.box[3] for mark in single), default=0)
    return [mark for mark in single if mark.box[3] >= _LEAST_HEIGHT * highest]


def _follow(before: Sequence[tuple[Box, int]], boxes: Sequence[Box]) -> list[tuple[Box, int]]:
    """Returns each box with the number of frames, this one included, for which it is there."""
    return [(box, 1 + max((age for old, age in before if overlap(old, box) >= _OVERLAP), default=0)) for box in boxes]


def overlap(one: Box, other: Box) -> float:
    """Returns intersection over union of two boxes, in [0, 1]."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    along = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, across) * max(0, along)
    return shared / max(1, one[2] * one[3] + other[2] * other[3] - shared)
