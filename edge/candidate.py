"""A mark that may be a digit, with the paper around it: what tells it from an edge, its pieces, its crop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.ink import Level
from edgits.edge.marks import WIDEST_DIGIT, Mark
from edgits.edge.results import Box
from edgits.images import Image

# No lower piece is a digit, in pixels at the size that shows it.
_LEAST_PIECE = 9
# A mark no wider than this share of its height is an edge if the light differs from side to side by this share
# of what it is darker than the lighter one.
_SLENDER, _ONE_SIDED = 0.3, 0.6
# So is one no wider than this, as the shadow beside the corner of a sheet, if so many per cent of what lies on its dark
# side are that dark: between letters there is paper.
_STOUT, _ALL = 0.45, 90
# Beside a mark at the frame's rim so many columns of pixels tell the light there.
_SLIVER = 2
# A crop is so many times as large as its mark.
_SEEN = 1.35
# Crops have the paper at this grey level.
_PAPER = 230
# The ends and the middle of a stroke are so large a share of its height. It is one thin stroke if so large a share of
# its rows holds no more ink than so many times its width, and none as much more as this share of the height: a flag or
# a bar makes them wider.
_ENDS, _MIDDLE, _ROWS, _THIN, _BAR = 0.12, 0.24, 0.85, 1.5, 0.2
# Ink spreads to the pixels around it by one, or by two; the third pixel is looked at for what is beside it.
_RING, _WIDE_RING, _BESIDE = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8), 3
_WIDEST_RING, _NEARBY = (np.ones((2 * reach + 1, 2 * reach + 1), np.uint8) for reach in (_BESIDE, _BESIDE + 3))
# So large a share of what is beside a mark is no lighter than its paper; as dark as the mark is what is lighter than it
# by less than this share of what the paper is.
_PAPER_BESIDE, _AS_DARK = 0.75, 0.15
# Two marks are strokes of one digit only if their gap, and their width together, are at most so many heights.
_NEAR, _WIDEST_PAIR = 0.2, 1.15


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mark that may be a digit.

    Attributes:
        box: Where it is, in pixels of the frame.
        contrast: Share of the paper's light that its ink takes away, in [0, 1].
        rough: How rough the paper around it is in relation to its ink: 0 smooth, above 0.3 hardly paper at all.
        crowd: Share of its surroundings that is other ink, in [0, 1].
        stroke: Width of its thickest stroke, in pixels of the frame.
        mark: Its ink, at the size it was found at.
        level: The frame at that size.
        cut: Ink that its two sides were cut through, as shares of the height of the mark that it is a piece of.
    """

    box: Box
    contrast: float
    rough: float
    crowd: float
    stroke: float
    mark: Mark = field(repr=False)
    level: Level = field(repr=False)
    cut: float = 0.0

    @cached_property
    def crop(self) -> Image:
        """What a model reads: uint8 (H, W) grey, dark ink with a margin on even paper; other marks are left out."""
        return _cut(self.level, self.mark)[0]

    @cached_property
    def bow(self) -> float:
        """How far a thin stroke bows, in heights: its middle from the line between its ends; 0 of any other mark."""
        mask = self.mark.mask
        height, width = mask.shape
        ink, moment = mask.sum(axis=1, dtype=np.int64), mask @ np.arange(width)
        ends, middle = max(1, round(_ENDS * height)), round((1 - _MIDDLE) / 2 * height)
        centre = ink[middle : height - middle].sum()
        rows, stroke = np.sort(ink), self.mark.stroke
        if not centre or rows[int(_ROWS * (height - 1))] > _THIN * stroke or rows[-1] > stroke + _BAR * height:
            return 0.0
        top, bottom = (moment[part].sum() / ink[part].sum() for part in (slice(ends), slice(height - ends, height)))
        return float(abs(moment[middle : height - middle].sum() / centre - (top + bottom) / 2) / height)

    @cached_property
    def limb(self) -> float:
        """At which share of its outline what is beside it is as dark, but no ink: a broad body, whose limb it is."""
        (x, y, w, h), (height, width) = self.mark.box, self.level.mask.shape
        left, top = max(0, x - _BESIDE), max(0, y - _BESIDE)
        rows, columns = slice(top, min(height, y + h + _BESIDE)), slice(left, min(width, x + w + _BESIDE))
        gray, ink = self.level.gray[rows, columns], self.level.mask[rows, columns]
        own = np.zeros_like(ink)
        own[y - top : y - top + h, x - left : x - left + w] = self.mark.mask
        beside = cv2.subtract(cv2.dilate(own, _WIDEST_RING), cv2.dilate(own, _WIDE_RING)) > 0
        if not beside.any():
            return 0.0
        shades = gray[beside]
        place = int(_PAPER_BESIDE * len(shades))
        light = float(np.partition(shades, place)[place])
        # as dark as its ink nearby: where a shadow falls on both, paper may be as dark as ink is elsewhere
        dark = cv2.erode(cv2.max(gray, (1 - own) * np.uint8(255)), _NEARBY)[beside].astype(np.float32)
        grown = (shades < dark + _AS_DARK * (light - dark)) & (ink[beside] == 0)
        return float(np.count_nonzero(grown) / len(shades))

    @property
    def row_crop(self) -> tuple[Image, Box]:
        """The same of a mark that is a row of digits, with little paper beside it, and where in it the mark is."""
        return _cut(self.level, self.mark, row=True)


def candidate_of(level: Level, mark: Mark, rough: float, crowd: float) -> Candidate:
    """Makes a candidate of a mark and its `surroundings`."""
    x, y, w, h = mark.box
    inks = level.ink[y : y + h, x : x + w][mark.mask > 0]
    place = int(0.8 * (len(inks) - 1))
    contrast = float(np.partition(inks, place)[place]) / 255
    left, top, right, bottom = (round(side * level.scale) for side in (x, y, x + w, y + h))
    # closer than the frame's own size a stroke may be thinner than one of its pixels
    box = left + level.corner[0], top + level.corner[1], max(right - left, 1), max(bottom - top, 1)
    return Candidate(box, contrast, rough, crowd, mark.stroke * level.scale, mark, level)


def parts(candidate: Candidate) -> list[Candidate]:
    """Returns the pieces of a mark that alone may be digits, too; none of a mark of one piece."""
    return [candidate_of(candidate.level, mark, candidate.rough, candidate.crowd) for mark in candidate.mark.parts]


def join(one: Candidate, other: Candidate) -> Candidate:
    """Joins two marks of one size into one, as if they were pieces of a broken digit."""
    (x, y, w, h), (ox, oy, ow, oh) = one.mark.box, other.mark.box
    left, top, right, bottom = min(x, ox), min(y, oy), max(x + w, ox + ow), max(y + h, oy + oh)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    for part in (one.mark, other.mark):
        px, py = part.corner[0] - left, part.corner[1] - top
        mask[py : py + part.mask.shape[0], px : px + part.mask.shape[1]] |= part.mask
    mark = Mark(mask, (left, top), max(one.mark.stroke, other.mark.stroke))
    return candidate_of(one.level, mark, min(one.rough, other.rough), min(one.crowd, other.crowd))


def neighbours(marks: Sequence[Candidate], doubtful: Sequence[bool]) -> list[tuple[int, int]]:
    """Finds pairs of marks that may be strokes of one digit: near each other, and no wider together than a digit.

    Args:
        marks: The marks.
        doubtful: Which of them may be no whole digits; a pair holds one at least.

    Returns:
        Indexes into `marks`, the nearest pairs first.
    """
    if len(marks) < 2 or not any(doubtful):
        return []
    boxes = np.array([mark.mark.box for mark in marks], np.float32)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    size = np.maximum(high[:, None], high[None]) - np.minimum(low[:, None], low[None])
    gap = (np.maximum(low[:, None], low[None]) - np.minimum(high[:, None], high[None])).max(axis=2)
    scales = np.array([mark.level.scale for mark in marks])
    doubts = np.array(doubtful)
    fits = (scales[:, None] == scales) & (doubts[:, None] | doubts)
    fits &= (gap <= _NEAR * size[..., 1]) & (size[..., 0] <= _WIDEST_PAIR * size[..., 1])
    first, second = np.nonzero(np.triu(fits, 1))
    order = np.argsort(gap[first, second], kind="stable")
    return [(int(first[place]), int(second[place])) for place in order]


def piece_of(candidate: Candidate, y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]) -> Candidate | None:
    """Makes a candidate of a part of its ink, rows and columns in its mask; None of what has no digit's size."""
    if len(x) < 8:
        return None
    left, top, right, bottom = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
    high = bottom - top
    if high < max(_LEAST_PIECE, 0.3 * candidate.mark.mask.shape[0]) or right - left > WIDEST_DIGIT * high:
        return None
    mask = np.zeros((high, right - left), np.uint8)
    mask[y - top, x - left] = 1
    corner = candidate.mark.corner[0] + left, candidate.mark.corner[1] + top
    return candidate_of(candidate.level, Mark(mask, corner, candidate.mark.stroke), candidate.rough, candidate.crowd)


def surroundings(level: Level, clean: Image, mark: Mark) -> tuple[float, float]:
    """Tells texture from paper: how rough the paper around a mark is, and what share of it is other ink.

    Roughness is the root mean square of the paper's contrast over the mark's own.
    """
    x, y, w, h = mark.box
    margin = max(h, w) // 2 + 2
    rows, columns = slice(max(0, y - margin), y + h + margin), slice(max(0, x - margin), x + w + margin)
    marked = clean[rows, columns]
    own = cv2.countNonZero(mark.mask)
    others = cv2.countNonZero(marked) - own
    inked = cv2.dilate(level.mask[rows, columns], _WIDE_RING)
    paper = inked.size - cv2.countNonZero(inked)
    if paper < own:
        return 1.0, 1.0
    rough = cv2.norm(level.ink[rows, columns], cv2.NORM_L2, 1 - inked) / math.sqrt(paper)
    strength = cv2.mean(level.ink[y : y + h, x : x + w], mark.mask)[0]
    return rough / max(strength, 1), others / (marked.size - own)


def is_edge(level: Level, mark: Mark) -> bool:
    """Tells the edge of a sheet and its shadow from a stroke, which has paper of one brightness on both sides."""
    x, y, w, h = mark.box
    if w > _STOUT * h:
        return False
    near = min(w, int(_SLENDER * h))
    rows, gap, width = slice(y, y + h), near // 2 + 2, level.gray.shape[1]
    # where the frame ends nearer than that, what is left of it tells
    left = level.gray[rows, max(0, x - gap - near) : max(x - gap, min(x, _SLIVER))]
    right = level.gray[rows, min(x + w + gap, max(x + w, width - _SLIVER)) : x + w + gap + near]
    if not left.size or not right.size:
        return False
    (dark, beyond), (light, _) = sorted(((cv2.mean(side)[0], side) for side in (left, right)), key=lambda side: side[0])
    if w > _SLENDER * h:
        dark = float(np.percentile(beyond, _ALL))
    own = cv2.mean(level.gray[rows, x : x + w], mark.mask)[0]
    return light - dark > _ONE_SIDED * (light - own)


def _cut(level: Level, mark: Mark, *, row: bool = False) -> tuple[Image, Box]:
    """Cuts a square with a margin around a mark, or a row; other marks in it become paper."""
    x, y, w, h = mark.box
    height, width = level.mask.shape
    side = max(w, h)
    wide, high = (w + (_SEEN - 1) * h, _SEEN * h) if row else (_SEEN * side, _SEEN * side)
    wide, high = wide / 2 + 2, high / 2 + 2
    left, right = max(0, int(x + w / 2 - wide)), min(width, int(x + w / 2 + wide) + 1)
    top, bottom = max(0, int(y + h / 2 - high)), min(height, int(y + h / 2 + high) + 1)
    own = np.zeros((bottom - top, right - left), np.uint8)
    own[y - top : y - top + h, x - left : x - left + w] = mark.mask
    others: Image = level.mask[top:bottom, left:right] & (1 - own)
    crop = np.asarray(
        cv2.convertScaleAbs(level.ink[top:bottom, left:right], alpha=-_PAPER / 255, beta=_PAPER), np.uint8
    )
    if cv2.countNonZero(others):
        hidden = cv2.subtract(cv2.dilate(others, _WIDE_RING), cv2.dilate(own, _RING))
        crop = np.asarray(cv2.max(crop, hidden * np.uint8(_PAPER)), np.uint8)
    return crop, (x - left, y - top, w, h)
