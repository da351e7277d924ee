"""Reads whole frames: find, normalise, classify, part what touches, put in order. Knows nothing of cameras or time."""

import time
from collections.abc import Sequence

import cv2
import numpy as np

from edgits.edge.believe import believed, in_company
from edgits.edge.candidate import Candidate, join, neighbours, parts
from edgits.edge.choose import Read, best_row, worth_reading
from edgits.edge.find import LIGHTEST_BOARD, Page, area_of, views
from edgits.edge.layout import reading_order
from edgits.edge.marks import WIDEST_DIGIT
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Area, Digit, FrameResult, Known, Reading
from edgits.edge.rows import Look, is_row, look_along, row_of, trusted
from edgits.images import Image

# Only marks wider than this share of their height can be several digits.
_WIDE = 0.75
# Of touching digits' box ink fills a ninth at least, on made-up photos; of the outline of a sheet a fiftieth.
_SPARSE = 0.06
# A mark read with this confidence is not parted, nor joined with another.
_SURE = 0.97
# Joined marks may be read with so much less confidence than one of them alone.
_GIVEN_UP = 0.1
# A mark is that of the frame before if it moved by less than this share of its height and they have this share of
# their ink in common: from frame to frame of the scene 99 % have; of 34,000 pairs of different digits from MNIST
# none has more than 0.68.
_MOVED, _SAME = 0.25, 0.75
# No more marks are parted once so many pieces, or windows, are read in a frame; so many pairs at most are joined.
_MOST_PIECES, _MOST_WINDOWS, _MOST_PAIRS = 320, 640, 40

# A dark frame isn't tried as a board if so many digits are read so surely as ink on paper, a lighter one if any are.
_PLAIN, _SURELY = 4, 0.9

Pieces = dict[tuple[int, int], Candidate]


class _Stages:
    """Adds up the milliseconds of stages that follow each other."""

    def __init__(self) -> None:
        self.ms = dict.fromkeys(("find", "normalize", "classify", "arrange"), 0.0)
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.ms[stage] += 1000 * (now - self._last)
        self._last = now


class Reader:
    """Reads the digits of frames.

    Args:
        recognizer: Reads single crops.
        threshold: Least confidence in [0, 1]; by default the model card's.
    """

    def __init__(self, recognizer: Recognizer, *, threshold: float | None = None) -> None:
        self.recognizer, self.threshold = recognizer, threshold

    def read(
        self,
        image: Image,
        *,
        source: str,
        frame: int | None = None,
        area: Area | None = None,
        known: Sequence[Known] = (),
    ) -> FrameResult:
        """Reads one frame or photo.

        Args:
            image: uint8 (H, W) or (H, W, 3) blue-green-red.
            source: Name of the camera or file, for the result.
            frame: Number of the frame from 0; None for a single image.
            area: Where to look, from the result of a frame of this size; by default everywhere.
            known: From such a result, too: what was read surely isn't read again where its ink looks the same.
        """
        stages = _Stages()
        size = image.shape[0], image.shape[1]
        best: list[Read] = []
        rest: list[Read] = []
        board = False
        for page in views(image, area, lightest=LIGHTEST_BOARD):
            read = self._read_page(page, known, stages)
            found, doubtful = self._choose(page, read, size)
            # an area tells the size that showed its digits, too
            closer = page.closer([mark for mark, _ in found], size) if area is None else None
            if closer:
                stages.end("arrange")
                fresh = self._read_page(next(views(image, closer)), known, stages)
                # closer a digit may hang on what is left of a ruled line
                low = {id(mark) for mark, _ in read if page.is_low(mark) and closer.holds(mark.box)}
                kept = [
                    one for one in read if id(one[0]) not in low or (_is_sure(one[1]) and not _is_within(one[0], fresh))
                ]
                read = kept + fresh
                found, doubtful = self._choose(page, read, size)
            rest += doubtful
            if _legible(found) > _legible(best):
                best, board = found, page.board
            if best and (not page.dark or _is_plain(best)):
                break
            stages.end("arrange")
        digits, lines = _arrange(best)
        around = area_of([mark for mark, _ in best], size, board=board)
        sure = _memorize(best)
        unsure = tuple(Digit(reading.likeliest, reading.confidence, mark.box) for mark, reading in rest)
        stages.end("arrange")
        return FrameResult(
            source, size[1], size[0], digits, lines, stages.ms, frame, area=around, known=sure, doubtful=unsure
        )

    def _read_page(self, page: Page, known: Sequence[Known], stages: _Stages) -> list[Read]:
        """Reads the marks of a page, each by itself."""
        candidates = page.candidates
        recalled = [_recall(one, known) for one in candidates]
        stages.end("find")
        fresh = [one.crop for one, reading in zip(candidates, recalled, strict=True) if reading is None]
        inputs = self.recognizer.card.normalization.batch(fresh, dark_ink=True)
        stages.end("normalize")
        readings = iter(self.recognizer.readings(self.recognizer.probabilities(inputs), threshold=self.threshold))
        stages.end("classify")
        return [(one, reading or next(readings)) for one, reading in zip(candidates, recalled, strict=True)]

    def _choose(self, page: Page, read: Sequence[Read], size: tuple[int, int]) -> tuple[list[Read], list[Read]]:
        """Returns what is read as digits, and what else was read."""
        found = self._part(page, read) + self._join(read) + self._parts(read)
        rest = [one for one in read if not one[1].accepted]
        chosen = believed(found, [mark.box for mark, _ in rest], size)
        single = [one for one in rest if not _is_wide(one[0])]
        raised = [
            (mark, self.recognizer.judged(reading, threshold=self.threshold))
            for mark, reading in in_company(single, chosen)
        ]
        company = [one for one in raised if one[1].accepted]
        if company:
            found += company
            taken = {id(mark) for mark, _ in company}
            rest = [one for one in rest if id(one[0]) not in taken]
            chosen = believed(found, [mark.box for mark, _ in rest], size)
        taken = {id(mark) for mark, _ in chosen}
        return chosen, [one for one in found if id(one[0]) not in taken] + rest

    def _part(self, page: Page, read: Sequence[Read]) -> list[Read]:
        """Parts wide marks where several digits read better than the whole."""
        sure: list[Read] = []
        doubtful: list[tuple[Candidate, float, list[Read]]] = []  # a mark, how likely it is several, what it reads as
        for candidate, reading in read:
            height, width = candidate.mark.mask.shape
            single = reading.digit is not None and width <= WIDEST_DIGIT * height
            whole = [(candidate, reading)] if single else []
            wide = _is_wide(candidate) and cv2.countNonZero(candidate.mark.mask) > _SPARSE * width * height
            if wide and not (single and reading.confidence >= _SURE):
                doubtful.append((candidate, reading.several, whole))
            else:
                sure.extend(whole)
        # What looks most like several digits first: a frame full of texture has more than can be read in time.
        doubtful.sort(key=lambda mark: -mark[1])
        if self.recognizer.card.windows:
            return sure + self._rows(doubtful)
        parted: list[Pieces] = []
        room = _MOST_PIECES
        for candidate, several, _ in doubtful:
            parted.append(worth_reading(page.pieces(candidate), candidate.box[2:], several) if room > 0 else {})
            room -= len(parted[-1])
        readings = iter(self._read([piece for pieces in parted for piece in pieces.values()]))
        for (candidate, several, whole), pieces in zip(doubtful, parted, strict=True):
            reads = {ends: (piece, next(readings)) for ends, piece in pieces.items()}
            row = best_row(reads, candidate.box[2:], several)
            sure.extend(row or whole)
        return sure

    def _rows(self, doubtful: Sequence[tuple[Candidate, float, list[Read]]]) -> list[Read]:
        """Reads marks as rows of digits, by windows on them, where that is better than the whole."""
        looks: list[Look] = []
        room = _MOST_WINDOWS
        for mark, _, _ in doubtful:
            if room > 0:
                looks.append(look_along(mark, self.recognizer.card.normalization.size))
                room -= len(looks[-1].windows)
        if not looks:
            return []
        windows = np.stack([window for look in looks for window in look.windows])[..., None]
        probabilities = self.recognizer.probabilities(windows.astype(np.float32) / np.float32(255))
        readings = iter(self.recognizer.readings(probabilities, threshold=self.threshold))
        found = [one for _, _, whole in doubtful[len(looks) :] for one in whole]
        for look, (mark, several, whole) in zip(looks, doubtful, strict=False):
            row = trusted(row_of(look, [next(readings) for _ in look.windows]), mark, several)
            found += row if is_row(row, whole, several) else whole
        return found

    def _join(self, read: Sequence[Read]) -> list[Read]:
        """Joins neighbours that read badly on their own and well together: the strokes of a broken digit."""
        pairs = neighbours([candidate for candidate, _ in read], [_confidence(reading) < _SURE for _, reading in read])
        pairs = pairs[:_MOST_PAIRS]
        joined = [join(read[one][0], read[other][0]) for one, other in pairs]
        readings = self._read(joined)
        return [
            (mark, reading)
            for (one, other), mark, reading in zip(pairs, joined, readings, strict=True)
            if reading.digit is not None
            and reading.confidence > max(_confidence(read[one][1]), _confidence(read[other][1])) - _GIVEN_UP
        ]

    def _parts(self, read: Sequence[Read]) -> list[Read]:
        """Reads the pieces alone of marks that read badly with what is near them."""
        marks = [part for candidate, reading in read if _confidence(reading) < _SURE for part in parts(candidate)]
        return [one for one in zip(marks, self._read(marks), strict=True) if one[1].digit is not None]

    def _read(self, marks: Sequence[Candidate]) -> list[Reading]:
        if not marks:
            return []
        return self.recognizer.read([mark.crop for mark in marks], threshold=self.threshold, dark_ink=True)


def _is_within(mark: Candidate, read: Sequence[Read]) -> bool:
    """Tells whether the middle of a mark lies within another one."""
    x, y, w, h = mark.box
    boxes = (other.box for other, _ in read)
    return any(left <= x + w / 2 < left + wide and top <= y + h / 2 < top + high for left, top, wide, high in boxes)


def _is_wide(mark: Candidate) -> bool:
    """Tells whether a mark may be several digits."""
    height, width = mark.mark.mask.shape
    return bool(width > _WIDE * height)


def _memorize(read: Sequence[Read]) -> tuple[Known, ...]:
    """What is read surely, for `_recall`."""
    return tuple(
        Known(mark.box, mark.mark.mask, mark.level.scale, reading)
        for mark, reading in read
        if reading.confidence >= _SURE
    )


def _recall(candidate: Candidate, known: Sequence[Known]) -> Reading | None:
    """Returns what a mark was read as in the frame before, if it is there as it was; None of another mark."""
    x, y, w, h = candidate.box
    ink = candidate.mark.mask
    for one in known:
        left, top, wide, high = one.box
        reach = _MOVED * max(h, high)
        if one.scale != candidate.level.scale or max(abs(left - x), abs(top - y), abs(wide - w), abs(high - h)) > reach:
            continue
        rows, columns = min(ink.shape[0], one.mask.shape[0]), min(ink.shape[1], one.mask.shape[1])
        common = cv2.countNonZero(ink[:rows, :columns] & one.mask[:rows, :columns])
        if common >= _SAME * (cv2.countNonZero(ink) + cv2.countNonZero(one.mask) - common):
            return one.reading
    return None


def _is_sure(reading: Reading) -> bool:
    return reading.digit is not None and reading.confidence >= _SURE


def _confidence(reading: Reading) -> float:
    return reading.confidence if reading.digit is not None else 0.0


def _legible(read: Sequence[Read]) -> float:
    """How much was read: the height of the digits, each by its confidence."""
    return float(sum(reading.confidence * candidate.box[3] for candidate, reading in read))


def _is_plain(read: Sequence[Read]) -> bool:
    return len(read) >= _PLAIN and _legible(read) >= _SURELY * sum(mark.box[3] for mark, _ in read)


def _arrange(read: Sequence[Read]) -> tuple[tuple[Digit, ...], tuple[int, ...]]:
    digits = [
        Digit(reading.digit, reading.confidence, candidate.box)
        for candidate, reading in read
        if reading.digit is not None
    ]
    lines = reading_order([digit.box for digit in digits])
    return tuple(digits[i] for line in lines for i in line), tuple(len(line) for line in lines)
