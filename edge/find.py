"""Finds what may be a digit in a frame: dark or light strokes on paper, under uneven light.

It knows strokes and sizes, not digits: telling digits from other marks, and where to part
digits that touch or to join the pieces of a broken one, is the model's work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np

from edgits.edge.candidate import Candidate, candidate_of, is_edge, piece_of, surroundings
from edgits.edge.ink import Level, scales_of, see, without
from edgits.edge.marks import WIDEST_DIGIT, Pieces, find_marks, find_pieces
from edgits.edge.pieces import clean_cuts, sides
from edgits.edge.results import Area
from edgits.edge.rules import LENGTH, erase_rules, find_rungs
from edgits.images import Image, to_gray

# Frames are searched at this size at most (longer side, pixels).
_SEARCH_SIZE = 2048
# Heights of marks that are looked for at each size, in its own pixels: the least of all, and the band of each size.
_LEAST_HEIGHT, _LOWEST, _HIGHEST = 9, 28, 160
# A frame with lower digits than this is looked at again at twice the size, where strokes of two pixels don't run
# together, for all that is lower than the band of its own size: F1 of 1,000 digits of 12 pixels on made-up photos is
# 0.92 so, 0.78 without, of 20 pixels 0.96 and 0.93. Least height of marks there, and pixels that are seen so at most:
# it takes the time that as large a frame takes.
_LOW, _LEAST_CLOSE, _MOST_CLOSE = 20, 14, 4_000_000
# Frames of a lower median grey may be a board with chalk on it; a camera that exposes by itself shows a board lighter.
_DARK, LIGHTEST_BOARD = 130, 170
# Rougher or fuller surroundings are no paper: of digits on made-up photos 99.5 % have less than 0.2 and 0.18.
_ROUGHEST, _FULLEST = 0.22, 0.25
# Where digits may fill the frame, their stems are as long as other lines: there a ruled line has this share of a side.
_OF_LARGE = 0.7
# A row of printed boxes has at least so many sides.
_LEAST_RUNGS = 2
# A mark is cut so often at most, and as often again for every height that it is wide.
_CUTS = 4
# An area reaches beyond its digits by this share of the tallest's height, and by so many pixels at least: digits that
# moved are still in it, with what is near them.
_BEYOND, _LEAST_BEYOND = 0.6, 32


def views(frame: Image, area: Area | None = None, *, lightest: float = _DARK) -> Iterator["Page"]:
    """Sees a frame as ink on paper and then, if it is dark, as chalk on a board too.

    Args:
        frame: uint8 (H, W) or (H, W, 3) blue-green-red.
        area: Where and how to look in a frame of this size, see `area_of` and `Page.closer`; by default everywhere.
        lightest: Median grey level, in [0, 255], from which on no frame is seen as a board.
    """
    scale = max(1.0, max(frame.shape[:2]) / _SEARCH_SIZE)
    every = scales_of(tuple(round(side / scale) for side in frame.shape[:2]), scale)
    if area is not None:
        x, y, w, h = area.box
        frame = frame[y : y + h, x : x + w]
        scale = min(scale, *area.scales)
    size = (max(1, round(frame.shape[1] / scale)), max(1, round(frame.shape[0] / scale)))
    if scale > 1:
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    gray = to_gray(frame)
    if scale < 1:
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    if area is not None:
        seen = see(_light(gray, area.board), scale=scale, corner=area.box[:2], only=area.scales)
        yield Page(seen, every, board=area.board)
        return
    median = float(np.median(gray[::16, ::16]))
    yield Page(see(gray, scale=scale), every, dark=median < _DARK)
    if median < lightest:
        yield Page(see(_light(gray, board=True), scale=scale), every, board=True)


def look(frame: Image) -> "Page":
    """Sees a frame in the way that shows the clearer marks; a model tells better (see `Reader`)."""
    return max(views(frame), key=Page.clarity)


class Page:
    """A frame seen as dark ink on paper.

    Args:
        levels: The frame at several sizes, the largest first.
        scales: Scales of all the sizes that there are, the finest first; `levels` may be fewer.
        board: Whether the frame is a board with chalk on it, seen as its negative.
        dark: Whether the frame is as dark as boards mostly are.
    """

    def __init__(
        self, levels: Sequence[Level], scales: Sequence[float], *, board: bool = False, dark: bool = False
    ) -> None:
        self._levels, self._own, self._coarsest = levels, scales[0], scales[-1]
        self.board, self.dark = board, dark

    def clarity(self) -> float:
        """How much looks like writing: marks of a digit's shape count by their size and by the calm around them."""
        digits = (one for one in self.candidates if one.mark.mask.shape[1] <= WIDEST_DIGIT * one.mark.mask.shape[0])
        return float(sum((_ROUGHEST - one.rough) * one.box[2] * one.box[3] for one in digits))

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Marks that may be digits, in no particular order; each at one size only."""
        found: list[Candidate] = []
        for level in self._levels:
            last = level.scale == self._coarsest
            if level.scale < self._own:
                least, most = _LEAST_CLOSE, 2 * _LOWEST
            else:
                least, most = _LEAST_HEIGHT if level.scale == self._levels[0].scale == self._own else _LOWEST, _HIGHEST
            level, clean, pieces = _written(level, _OF_LARGE if last else 0.0)
            taken = np.array([one.box for one in found], np.float32).reshape(-1, 4)
            marks = find_marks(
                clean,
                pieces,
                least=least,
                most=level.mask.shape[0] if last else most,
                taken=(taken - (*level.corner, 0, 0)) / level.scale,
            )
            for mark in marks:
                rough, crowd = surroundings(level, clean, mark)
                if rough <= _ROUGHEST and crowd <= _FULLEST and not is_edge(level, mark):
                    found.append(candidate_of(level, mark, rough, crowd))
        return found

    def is_low(self, mark: Candidate) -> bool:
        """Tells whether a mark is one of those that a closer look shows better."""
        return mark.box[3] < _LOWEST * self._own

    def closer(self, digits: Sequence[Candidate], size: tuple[int, int]) -> Area | None:
        """Tells where and how to look at low digits again, at twice the size.

        Args:
            digits: Marks that are digits, or may be.
            size: Height and width of the frame.

        Returns:
            For `views`; None if no digit is so low, or too much of the frame would be seen so.
        """
        if all(mark.box[3] >= _LOW * self._own for mark in digits):
            return None
        around = area_of([mark for mark in digits if self.is_low(mark)], size, board=self.board)
        scale = self._own / 2
        if around is None or around.box[2] * around.box[3] > _MOST_CLOSE * scale**2:
            return None
        return replace(around, scales=frozenset({scale}))

    def pieces(self, candidate: Candidate) -> dict[tuple[int, int], Candidate]:
        """Cuts a mark where little ink is in the way, and gives every piece that may be one digit.

        Args:
            candidate: A mark that may be several digits that touch.

        Returns:
            Pieces by the numbers of the cuts to their left and right; cut 0 is the mark's left
            end, and the highest its right end.
        """
        mask = candidate.mark.mask
        cuts = clean_cuts(mask, most=round(_CUTS * (1 + mask.shape[1] / mask.shape[0])))
        y, x, behind = sides(mask, cuts)
        inks = [0.0, *(cut.ink for cut in cuts), 0.0]  # nothing is cut at the mark's own ends
        found = {}
        for first in range(len(cuts) + 1):
            for last in range(first + 1, len(cuts) + 2):
                chosen = (behind >= first) & (behind < last)
                piece = piece_of(candidate, y[chosen], x[chosen])
                if piece is not None:
                    found[first, last] = replace(piece, cut=inks[first] + inks[last])
        return found


def area_of(marks: Sequence[Candidate], size: tuple[int, int], *, board: bool) -> Area | None:
    """Tells where to look for marks again in the next frame: around all of them, at the sizes that showed them.

    Args:
        marks: The marks.
        size: Height and width of the frame.
        board: Whether they are chalk on a board.

    Returns:
        The area; None of no marks.
    """
    if not marks:
        return None
    scales = frozenset(mark.level.scale for mark in marks)
    boxes = np.array([mark.box for mark in marks])
    margin = max(_LEAST_BEYOND, int(_BEYOND * boxes[:, 3].max()))
    low, high = boxes[:, :2].min(axis=0) - margin, (boxes[:, :2] + boxes[:, 2:]).max(axis=0) + margin
    # a ruled line is known by its length
    more = np.maximum(2 * LENGTH * max(scales) - (high - low), 0) / 2
    # its smaller pictures, those of the paper too, have the frame's own pixels
    grid = 4 * max(1, int(max(scales)))
    left, top = (np.maximum(low - more, 0) // grid * grid).astype(int).tolist()
    right, bottom = np.minimum(high + more, (size[1], size[0])).astype(int).tolist()
    return Area((left, top, right - left, bottom - top), scales, board)


def _light(gray: Image, board: bool) -> Image:
    """Makes what is written dark on light."""
    return np.asarray(cv2.bitwise_not(gray), np.uint8) if board else gray


def _written(level: Level, share: float) -> tuple[Level, Image, Pieces]:
    """Erases ruled lines, of this share of the level's sides at least, and printed boxes.

    Returns:
        The level with what they hid, the ink that is left, its pieces.
    """
    # in a smaller picture a digit's own strokes are as long as its lines
    clean = erase_rules(level.mask, share) if max(level.mask.shape) >= 2 * LENGTH else level.mask
    pieces = find_pieces(clean)
    if clean is level.mask:
        return level, clean, pieces
    lines = np.asarray(cv2.subtract(level.mask, clean), np.uint8)
    rungs = [pieces.contours[pieces.outer[i]] for i in find_rungs(pieces.boxes, clean, lines, level.ink)]
    if len(rungs) < _LEAST_RUNGS:
        return level, clean, pieces
    lines = np.asarray(cv2.drawContours(lines, rungs, -1, 1, cv2.FILLED), np.uint8)
    level, clean = without(level, lines)
    return level, clean, find_pieces(clean)
