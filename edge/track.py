"""Follows digits from frame to frame and lets the frames vote. Knows nothing of images: boxes, digits and times only.

Where enough of the digits known are seen again, the view is the same, and the frames vote on presence too: one that is
missed for a moment, as in a blurred frame, is held, and a mark that flashes up is not shown. A digit that is known is
seen again by doubtful readings, too, as an edge goes on by weak points (Canny 1986, hysteresis). Where enough aren't
seen again, just what is seen is reported.
"""

import math
import time as clock
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
import numpy.typing as npt

from edgits.edge.layout import reading_order
from edgits.edge.results import Box, Digit, FrameResult

Floats = npt.NDArray[np.float64]

# Votes fade as exp(-t / MEMORY), in seconds: a changed digit wins within half a second at any frame
# rate, even if it is read with half of the old one's confidence.
_MEMORY = 0.3
# A challenger must be this much stronger than the digit that is shown: no flicker between two.
_LEAD = 1.25
_GRACE = 0.5  # seconds that a track outlives its last sighting
# A digit is shown once it was there in this share of the recent frames, each counting as its votes do, and down to
# the lower one: new ones come after 0.2 s, those gone go after 0.3 s, at any frame rate.
_THERE_FROM, _THERE_DOWN_TO = 0.5, 0.37
# A view is the same if this share of its digits is seen again. It is forgotten when it isn't for so many seconds.
_SAME_VIEW, _VIEW_LOST = 0.34, 0.25
# Frames that must agree, and the mean confidence they must give; it stays stable down to the lower one.
_STABLE_FRAMES, _STABLE_FROM, _STABLE_DOWN_TO = 3, 0.6, 0.45
# A digit may move by this share of its size beyond the common shift, and sizes may differ by this factor.
_REACH, _SIZE_RATIO = 0.6, 1.6
# A doubtful reading counts as so much of a sighting: a digit lasts if a tenth of the recent frames show it clearly.
_HINT = 0.3
# With less confidence a doubtful reading says nothing: each of ten digits gets a tenth by chance.
_LEAST_HINT = 0.1
# So many digits, of which this share read differently at once, are another page.
_LEAST_PAGE, _TURNED = 3, 0.65
_FARTHEST = 0.3  # of the frame's longer side: the largest common shift between two frames
_MOST_PAIRS = 256  # that vote for the shift; bounds the time on crowded frames


@dataclass
class _Track:
    number: int
    box: Box
    digit: int
    seen: float
    there: float = 0.0
    known: bool = False
    hinted: bool = False  # whether its last sighting was a doubtful one
    agreeing: int = 0
    stable: bool = False
    weight: float = 0.0
    votes: dict[int, float] = field(default_factory=dict)

    def vote(self, digit: Digit, time: float, *, hint: bool = False) -> None:
        fade = math.exp(-max(0.0, time - self.seen) / _MEMORY)
        self.votes = {name: fade * value for name, value in self.votes.items()}
        self.votes[digit.digit] = self.votes.get(digit.digit, 0.0) + digit.confidence
        self.weight = fade * self.weight + 1
        self.box, self.seen, self.hinted = digit.box, time, hint
        leader = max(self.votes, key=self.votes.__getitem__)
        if leader != self.digit and self.votes[leader] > _LEAD * self.votes.get(self.digit, 0.0):
            self.digit, self.agreeing, self.stable = leader, 0, False
        self.agreeing += digit.digit == self.digit
        limit = _STABLE_DOWN_TO if self.stable else _STABLE_FROM
        self.stable = self.agreeing >= _STABLE_FRAMES and self.confidence >= limit

    @property
    def confidence(self) -> float:
        """Mean confidence that the recent frames gave to the digit shown."""
        return min(1.0, self.votes[self.digit] / self.weight)

    def shown(self, time: float) -> Digit:
        """The digit as it is reported; one that is held loses confidence as its votes fade."""
        confidence = self.confidence * math.exp(-max(0.0, time - self.seen) / _MEMORY)
        return Digit(self.digit, confidence, self.box, self.number, self.stable and confidence >= _STABLE_DOWN_TO)


class Tracker:
    """Follows digits through a sequence of frames.

    Attributes:
        settled: Whether the last frame showed just the digits that are there: none was missed, none is new.
    """

    def __init__(self) -> None:
        self.settled = False
        self._tracks: list[_Track] = []
        self._next = 1
        self._time = -math.inf  # of the last frame
        self._frames = 0.0  # of the same view, those of late counting more
        self._viewed = -math.inf  # when it was seen last

    def update(self, result: FrameResult, *, time: float, whole: bool = True) -> FrameResult:
        """Takes the next frame's reading.

        Args:
            result: What was read in the frame alone.
            time: When the frame was taken, in seconds; any origin, not falling.
            whole: Whether all of the frame was searched. A part of it shows no new digits.

        Returns:
            The digits, each with its track number, the digit and the confidence that the recent frames
            agree on, and whether that is stable; those held where they were, moved with the rest.
        """
        start = clock.perf_counter()
        self._tracks = [track for track in self._tracks if 0 <= time - track.seen <= _GRACE]
        reach = _FARTHEST * max(result.width, result.height)
        homes = _match(self._tracks, result.digits, reach)
        if _page_turned(homes, result.digits):
            self._tracks, homes = [], {}
        across, down = _shift([(track.box, result.digits[index].box) for index, track in homes.items()])
        for track in self._tracks:
            track.box = (track.box[0] + across, track.box[1] + down, *track.box[2:])
        seen = []
        for index, digit in enumerate(result.digits):
            if index not in homes and not whole:
                continue
            track = homes.get(index) or self._begin(digit, time)
            track.vote(digit, time)
            seen.append(track)
        seen += self._take_hints(result, time)
        digits, lines = self._reported(result, seen, time)
        self.settled = all(track.known == (track.seen == time) for track in self._tracks)
        timings = result.timings | {"track": 1000 * (clock.perf_counter() - start)}
        return replace(result, digits=digits, lines=lines, timings=timings)

    def _begin(self, digit: Digit, time: float) -> _Track:
        track = _Track(self._next, digit.box, digit.digit, time)
        self._next += 1
        self._tracks.append(track)
        return track

    def _take_hints(self, result: FrameResult, time: float) -> list[_Track]:
        """Lets doubtful readings vote for the known digits that were not seen in this frame; returns those."""
        missed = [track for track in self._tracks if track.known and track.seen < time]
        if not missed:
            return []
        taken = [digit.box for digit in result.digits]  # their pieces are no others
        hints = tuple(
            digit
            for digit in result.doubtful
            if digit.confidence >= _LEAST_HINT and not any(_share_place(digit.box, box) for box in taken)
        )
        found = []
        for index, track in _match(missed, hints, 0.0).items():
            if hints[index].digit == track.digit:
                track.vote(hints[index], time, hint=True)
                found.append(track)
        return found

    def _count(self, seen: list[_Track], time: float) -> bool:
        """Lets the frame vote on which digits are there, unless it shows too little of the view that was known."""
        known = sum(track.known for track in self._tracks)
        if 0 < _SAME_VIEW * known <= sum(track.known for track in seen):
            self._viewed = time
        elif known and time - self._viewed <= _VIEW_LOST:
            return False
        else:  # another view begins
            self._frames = 0.0
            for track in self._tracks:
                track.there = 0.0
        fade = math.exp(-max(0.0, time - self._time) / _MEMORY)
        self._time, self._frames = time, fade * self._frames + 1
        for track in self._tracks:
            sighting = (_HINT if track.hinted else 1.0) if track.seen == time else 0.0
            track.there = fade * track.there + sighting
            track.known = track.there >= (_THERE_DOWN_TO if track.known else _THERE_FROM) * self._frames
        return True

    def _reported(
        self, result: FrameResult, seen: list[_Track], time: float
    ) -> tuple[tuple[Digit, ...], tuple[int, ...]]:
        """Gives the digits that are there, those seen and those held, and how many are in each line."""
        shown = seen
        if self._count(seen, time):
            missed = [track for track in self._tracks if track.known and track.seen < time]
            held = [track for track in missed if _within(track.box, result.width, result.height)]
            shown = [track for track in seen if track.known] + held
        digits = [track.shown(time) for track in shown]
        if shown == seen and len(seen) == len(result.digits) and not any(track.hinted for track in seen):
            return tuple(digits), result.lines
        lines = reading_order([digit.box for digit in digits])
        return tuple(digits[i] for line in lines for i in line), tuple(map(len, lines))


def _shift(moves: list[tuple[Box, Box]]) -> tuple[int, int]:
    """How far the view moved, in pixels: the median of the digits that were matched."""
    if not moves:
        return 0, 0
    across = median(new[0] - old[0] + (new[2] - old[2]) / 2 for old, new in moves)
    down = median(new[1] - old[1] + (new[3] - old[3]) / 2 for old, new in moves)
    return round(across), round(down)


def _share_place(one: Box, other: Box) -> bool:
    """Tells whether the middle of one box lies in the other."""
    across, down = (abs((2 * one[i] + one[i + 2]) - (2 * other[i] + other[i + 2])) for i in (0, 1))
    return any(across < box[2] and down < box[3] for box in (one, other))


def _within(box: Box, width: int, height: int) -> bool:
    return 0 <= box[0] <= width - box[2] and 0 <= box[1] <= height - box[3]


def _page_turned(homes: dict[int, _Track], digits: tuple[Digit, ...]) -> bool:
    """Tells whether other digits lie where the tracks were: their votes would only delay the new ones."""
    changed = sum(track.digit != digits[index].digit for index, track in homes.items())
    return len(homes) >= _LEAST_PAGE and changed >= _TURNED * len(homes)


def _match(tracks: list[_Track], digits: tuple[Digit, ...], farthest: float) -> dict[int, _Track]:
    """Pairs each digit with at most one track: index of the digit → its track."""
    if not tracks or not digits:
        return {}
    old, new = _places([track.box for track in tracks]), _places([digit.box for digit in digits])
    same = np.array([[track.digit == digit.digit for digit in digits] for track in tracks])
    size = np.maximum(old[:, None, 3], new[None, :, 3])
    alike = _alike(old, new)
    moves = new[None, :, :2] - old[:, None, :2]
    moves = moves - _common_shift(moves, size, alike, same, farthest)
    distance = np.hypot(moves[..., 0], moves[..., 1]) / size
    distance[~alike | (distance > _REACH)] = np.inf
    pairs: dict[int, _Track] = {}
    taken: set[int] = set()
    cost = distance + 0.1 * ~same  # where two are as near, the one of the same digit
    for flat in np.argsort(cost, axis=None):
        row, column = divmod(int(flat), len(digits))
        if not math.isfinite(distance[row, column]):
            break
        if row not in taken and column not in pairs:
            taken.add(row)
            pairs[column] = tracks[row]
    return pairs


def _places(boxes: list[Box]) -> Floats:
    """Returns float64 (N, 4): centre x, centre y, height, longer side."""
    values = np.array(boxes, np.float64)
    values[:, :2] += values[:, 2:] / 2
    values[:, 2], values[:, 3] = values[:, 3], np.maximum(values[:, 2], values[:, 3])
    return values


def _alike(old: Floats, new: Floats) -> npt.NDArray[np.bool_]:
    """Tells which boxes may be the same digit's by their height, and by their longer side."""
    ratios = old[:, None, 2:] / new[None, :, 2:]
    fits = (ratios <= _SIZE_RATIO) & (ratios >= 1 / _SIZE_RATIO)
    return np.asarray(fits[..., 0] & fits[..., 1])


def _common_shift(
    moves: Floats, size: Floats, alike: npt.NDArray[np.bool_], same: npt.NDArray[np.bool_], farthest: float
) -> Floats:
    """Finds the shift that most digits share, as paper or camera moved: float64 (2,), pixels.

    Every pair of boxes that may be one digit votes for its own move, those that read the same
    digit fully; the move with the most votes near it wins, the shorter one of equals.
    """
    length = np.hypot(moves[..., 0], moves[..., 1])
    rows, columns = np.nonzero(alike & (length <= farthest))
    if len(rows) == 0:
        return np.zeros(2)
    nearest = np.argsort(length[rows, columns], kind="stable")[:_MOST_PAIRS]
    rows, columns = rows[nearest], columns[nearest]
    shifts, weights = moves[rows, columns], np.where(same[rows, columns], 1.0, 0.25)
    tolerance = 0.25 * float(np.median(size[rows, columns]))
    x, y = shifts.T.astype(np.float32)
    near = (np.abs(x[:, None] - x) <= tolerance) & (np.abs(y[:, None] - y) <= tolerance)
    members = near[int(np.argmax(near @ weights))]
    return np.asarray(weights[members] @ shifts[members] / weights[members].sum())
