"""Reads whole frames: find, normalise, classify, part what touches, put in order. Knows nothing of cameras or time."""

import time
from collections.abc import Sequence

from edgits.edge.find import Candidate, Page
from edgits.edge.layout import reading_order
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult, Reading
from edgits.images import Image

# Only marks wider than this share of their height can be several digits.
_WIDE = 0.75
# Marks wider than this are never one digit.
_TOO_WIDE = 1.6
# Digits of one text are of like height; what is out of this range of the median is none.
_HEIGHTS = (0.3, 2.6)

Read = tuple[Candidate, Reading]


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
        page = Page(image)
        candidates = page.candidates()
        clock.append(time.perf_counter())
        inputs = self.recognizer.card.normalization.batch(candidate.crop for candidate in candidates)
        clock.append(time.perf_counter())
        readings = self.recognizer.readings(self.recognizer.probabilities(inputs), threshold=self.threshold)
        clock.append(time.perf_counter())
        read = self._part(page, list(zip(candidates, readings, strict=True)))
        digits, lines = _arrange(_of_like_height(read))
        clock.append(time.perf_counter())
        stages = ("find", "normalize", "classify", "arrange")
        timings = {stage: 1000 * (clock[i + 1] - clock[i]) for i, stage in enumerate(stages)}
        height, width = image.shape[:2]
        return FrameResult(source, width, height, digits, lines, timings, frame)

    def _part(self, page: Page, read: Sequence[Read]) -> list[Read]:
        """Parts wide marks where both parts read better than the whole."""
        result = []
        for candidate, reading in read:
            height, width = candidate.mask.shape
            whole = reading.confidence if reading.digit is not None and width <= _TOO_WIDE * height else 0.0
            parted = self._best_parts(page, candidate, whole) if width > _WIDE * height and whole < 0.9 else []
            if parted:
                result.extend(parted)
            elif whole > 0:
                result.append((candidate, reading))
        return result

    def _best_parts(self, page: Page, candidate: Candidate, whole: float) -> list[Read]:
        pairs = page.cuts(candidate)
        if not pairs:
            return []
        read = self.recognizer.read([part.crop for pair in pairs for part in pair], threshold=self.threshold)
        best: list[Read] = []
        limit = max(whole, 0.5)
        for place, (left, right) in enumerate(pairs):
            halves = ((left, read[2 * place]), (right, read[2 * place + 1]))
            parts = [part for half in halves for part in self._again(page, *half)]
            score = min((reading.confidence for _, reading in parts), default=0.0)
            if len(parts) >= 2 and score > limit:
                best, limit = parts, score
        return best

    def _again(self, page: Page, candidate: Candidate, reading: Reading) -> list[Read]:
        """Keeps a part that is a digit, and parts on what is too wide for one."""
        height, width = candidate.mask.shape
        if width > _TOO_WIDE * height or (reading.digit is None and width > height):
            return self._best_parts(page, candidate, 0.0) or [(candidate, Reading(None, 0.0))]
        return [(candidate, reading if reading.digit is not None else Reading(None, 0.0))]


def _of_like_height(read: Sequence[Read]) -> list[Read]:
    """Drops marks much smaller or larger than the rest."""
    if len(read) < 3:
        return list(read)
    heights = sorted(candidate.box[3] for candidate, _ in read)
    middle = heights[len(heights) // 2]
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
