"""Reads whole frames: find, normalise, classify, put in order. Knows nothing of cameras or time."""

import time

from edgits.edge.find import Candidate, find
from edgits.edge.layout import reading_order
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult, Reading
from edgits.images import Image


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
        candidates = find(image)
        clock.append(time.perf_counter())
        inputs = self.recognizer.card.normalization.batch(candidate.crop for candidate in candidates)
        clock.append(time.perf_counter())
        probabilities = self.recognizer.probabilities(inputs)
        readings = self.recognizer.readings(probabilities, threshold=self.threshold)
        clock.append(time.perf_counter())
        digits, lines = _arrange(candidates, readings)
        clock.append(time.perf_counter())
        stages = ("find", "normalize", "classify", "arrange")
        timings = {stage: 1000 * (clock[i + 1] - clock[i]) for i, stage in enumerate(stages)}
        height, width = image.shape[:2]
        return FrameResult(source, width, height, digits, lines, timings, frame)


def _arrange(candidates: list[Candidate], readings: list[Reading]) -> tuple[tuple[Digit, ...], tuple[int, ...]]:
    digits = [
        Digit(reading.digit, reading.confidence, candidate.box)
        for candidate, reading in zip(candidates, readings, strict=True)
        if reading.digit is not None
    ]
    lines = reading_order([digit.box for digit in digits])
    return tuple(digits[i] for line in lines for i in line), tuple(len(line) for line in lines)
