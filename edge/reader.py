"""Reads whole frames: find, normalise, classify, part what touches, put in order. Knows nothing of cameras or time."""

import math
import time
from collections.abc import Sequence
from itertools import accumulate, islice

from edgits.edge.find import WIDEST_DIGIT, Candidate, Page, views
from edgits.edge.layout import reading_order
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult, Reading
from edgits.images import Image

# Only marks wider than this share of their height can be several digits.
_WIDE = 0.75
# A mark read with this confidence is not parted.
_SURE = 0.97
# So many pieces of touching digits are read in a frame at most.
_MOST_PIECES = 160
# Digits of one text are of like height; what is out of this range of the middle is none.
_HEIGHTS = (0.22, 2.6)

# On clean paper this confidence will do. Marks of fewer pixels in height than `_SMALL`, or narrower than
# `_NARROW` times their height, say little by their shape.
_LEAST_CONFIDENCE = 0.35
_SMALL, _NARROW = 24, 0.4

Read = tuple[Candidate, Reading]
Pieces = dict[tuple[int, int], Candidate]


class Reader:
    """Reads the digits of frames.

    Args:
        recognizer: Reads single crops.
        threshold: Least confidence in [0, 1]; by default the model card's.
    """

    def __init__(self, recognizer: Recognizer, *, threshold: float | None = None) -> None:
        self.recognizer, self.threshold = recognizer, threshold

    def read(self, image: Image, *, source: str, frame: int | None = None) -> FrameResult:
        """Reads one frame or photo.

        Args:
            image: uint8 (H, W) or (H, W, 3) blue-green-red.
            source: Name of the camera or file, for the result.
            frame: Number of the frame from 0; None for a single image.
        """
        clock = [time.perf_counter()]
        pages = views(image)
        candidates = [candidate for page in pages for candidate in page.candidates]
        clock.append(time.perf_counter())
        inputs = self.recognizer.card.normalization.batch(candidate.crop for candidate in candidates)
        clock.append(time.perf_counter())
        readings = self.recognizer.readings(self.recognizer.probabilities(inputs), threshold=self.threshold)
        clock.append(time.perf_counter())
        marks = zip(candidates, readings, strict=True)
        read = max((self._part(page, list(islice(marks, len(page.candidates)))) for page in pages), key=_legible)
        digits, lines = _arrange(_of_like_height([one for one in read if _believable(*one)]))
        clock.append(time.perf_counter())
        stages = ("find", "normalize", "classify", "arrange")
        timings = {stage: 1000 * (clock[i + 1] - clock[i]) for i, stage in enumerate(stages)}
        height, width = image.shape[:2]
        return FrameResult(source, width, height, digits, lines, timings, frame)

    def _part(self, page: Page, read: Sequence[Read]) -> list[Read]:
        """Parts wide marks where their pieces read better than the whole."""
        sure: list[Read] = []
        doubtful: list[tuple[Pieces, list[Read]]] = []  # the pieces of a mark, and what it reads as whole
        for candidate, reading in read:
            height, width = candidate.mask.shape
            single = reading.digit is not None and width <= WIDEST_DIGIT * height
            whole = [(candidate, reading)] if single else []
            if width > _WIDE * height and not (single and reading.confidence >= _SURE):
                doubtful.append((page.pieces(candidate), whole))
            else:
                sure.extend(whole)
        # Marks of few pieces first: a frame full of texture has more than can be read in time.
        doubtful.sort(key=lambda mark: len(mark[0]))
        counts = accumulate(len(pieces) for pieces, _ in doubtful)
        tried = sum(1 for count in counts if count <= _MOST_PIECES)
        crops = [piece.crop for pieces, _ in doubtful[:tried] for piece in pieces.values()]
        readings = iter(self.recognizer.read(crops, threshold=self.threshold))
        for pieces, whole in doubtful[:tried]:
            sure.extend(_best_path({ends: (piece, next(readings)) for ends, piece in pieces.items()}) or whole)
        for _, whole in doubtful[tried:]:
            sure.extend(whole)
        return sure


def _best_path(pieces: dict[tuple[int, int], Read]) -> list[Read]:
    """Finds the row of pieces that reads best, by dynamic programming over the cuts.

    A piece costs the logarithm of its confidence and a constant, so that a mark is parted only
    where that reads clearly better; what is no digit costs much.
    """
    last = max((end for _, end in pieces), default=0)
    cost, row = [0.0] + [math.inf] * last, [list[Read]() for _ in range(last + 1)]
    for end in range(1, last + 1):
        for start in range(end):
            if (start, end) not in pieces:
                continue
            read = pieces[start, end]
            legible = read[1].digit is not None
            price = 0.3 - math.log(max(read[1].confidence, 1e-3)) if legible else 2.5
            if cost[start] + price < cost[end]:
                cost[end] = cost[start] + price
                row[end] = [*row[start], read] if legible else row[start]
    return row[last]


def _legible(read: Sequence[Read]) -> float:
    """How much was read: the height of the digits, each by its confidence."""
    return float(sum(reading.confidence * mark.mask.shape[0] for mark, reading in read if _believable(mark, reading)))


def _believable(candidate: Candidate, reading: Reading) -> bool:
    """Asks for more confidence the busier the surroundings are, and most of specks and strokes: textures hold those."""
    height, width = candidate.mask.shape
    if height < _SMALL or width < _NARROW * height or reading.digit == 1:
        return reading.confidence >= _LEAST_CONFIDENCE + 4.5 * max(candidate.disorder - 0.05, 0)
    asked = _LEAST_CONFIDENCE + 2.2 * candidate.disorder
    return reading.confidence >= (min(asked, 0.985) if candidate.disorder < 0.33 else asked)


def _of_like_height(read: Sequence[Read]) -> list[Read]:
    """Drops marks much smaller or larger than the rest; tall marks weigh more, so specks don't outvote a digit."""
    heights = sorted(candidate.box[3] for candidate, _ in read)
    half, middle = sum(heights) / 2, 0
    for height in heights:
        half -= height
        if half <= 0:
            middle = height
            break
    low, high = _HEIGHTS[0] * middle, _HEIGHTS[1] * middle
    return [(candidate, reading) for candidate, reading in read if low <= candidate.box[3] <= high]


def _arrange(read: Sequence[Read]) -> tuple[tuple[Digit, ...], tuple[int, ...]]:
    digits = [
        Digit(reading.digit, reading.confidence, candidate.box)
        for candidate, reading in read
        if reading.digit is not None
    ]
    lines = reading_order([digit.box for digit in digits])
    return tuple(digits[i] for line in lines for i in line), tuple(len(line) for line in lines)
