"""A picture held still, so that a person can say what its marks are; they are saved as `edgits collect` saves them.

Knows no page: it takes a shot, gives marks by number, and saves the one that is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgits.edge.candidate import Candidate
from edgits.edge.collect import digit_like, overlap
from edgits.edge.find import Page, views
from edgits.edge.results import Box, Digit
from edgits.edge.sinks import Shot
from edgits.images import Image, to_gray

# A mark is the digit that was read if their boxes overlap by this share of both together.
_SAME = 0.6
# A mark that shares more than this with a digit is a part of it.
_APART = 0.1
_MARGIN = 0.2  # around a box that is no mark of its own, as a share of its height
_MOST_MARKS = 60


@dataclass(frozen=True)
class Mark:
    """Something in a still picture that may be named.

    Attributes:
        box: Where it is.
        digit: What it was read as; None if it wasn't read.
        confidence: Of that reading, in [0, 1]; 0 if it wasn't read.
        crop: uint8 (H, W) grey, what is saved.
    """

    box: Box
    digit: int | None
    confidence: float
    crop: Image


def marks_of(shot: Shot) -> list[Mark]:
    """Returns the digits of a shot in reading order, then other marks that may be digits.

    Args:
        shot: Of a camera that isn't lost.
    """
    candidates = _side(list(views(shot.frame.image)), shot.result.digits).candidates
    gray = to_gray(shot.frame.image)
    read = [
        Mark(digit.box, digit.digit, digit.confidence, _crop(gray, digit.box, candidates))
        for digit in shot.result.digits
    ]
    taken = [mark.box for mark in read]
    rest = [mark for mark in digit_like(candidates) if not any(_touches(mark.box, box) for box in taken)]
    rest.sort(key=lambda mark: -mark.box[3])
    return (read + [Mark(mark.box, None, 0.0, mark.crop) for mark in rest])[:_MOST_MARKS]


def _side(pages: Sequence[Page], digits: Sequence[Digit]) -> Page:
    """Returns the way to see a frame, as paper or as a board, in which the digits were read."""

    def shown(page: Page) -> tuple[int, float]:
        boxes = [mark.box for mark in page.candidates]
        read = sum(any(overlap(box, digit.box) >= _SAME for box in boxes) for digit in digits)
        return read, page.clarity()

    return max(pages, key=shown)


def _touches(mark: Box, digit: Box) -> bool:
    """Tells whether a mark is a part of a digit or holds it, as the edge of a sheet does."""
    x, y = digit[0] + digit[2] / 2, digit[1] + digit[3] / 2
    holds = mark[0] <= x <= mark[0] + mark[2] and mark[1] <= y <= mark[1] + mark[3]
    return holds or overlap(mark, digit) > _APART


def _crop(gray: Image, box: Box, candidates: list[Candidate]) -> Image:
    """Cuts a digit as `edgits collect` does; one that touches others is cut straight, with a margin."""
    best = max(candidates, key=lambda mark: overlap(mark.box, box), default=None)
    if best is not None and overlap(best.box, box) >= _SAME:
        return best.crop
    x, y, wide, high = box
    margin = round(_MARGIN * high)
    left, top = max(0, x - margin), max(0, y - margin)
    return np.ascontiguousarray(gray[top : y + high + margin, left : x + wide + margin])


def encode(picture: Image, *, most: int, quality: int) -> bytes:
    """Returns a picture as JPEG, shrunk to `most` pixels at its longer side."""
    scale = most / max(picture.shape[:2])
    if scale < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
