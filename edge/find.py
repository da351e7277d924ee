"""Finds what may be a digit in a frame: dark or light strokes on paper, under uneven light.

It knows strokes and sizes, not digits: telling digits from other marks, and where to part
digits that touch, is the model's work.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.ink import contrast_to, estimate_paper, ink_mask
from edgits.edge.results import Box
from edgits.images import Image, to_gray

# Frames are searched at this size at most (longer side, pixels); crops are cut from the full frame.
_SEARCH_SIZE = 1280
_MIN_HEIGHT = 9
# Frames of a lower median grey may be a board with chalk on it.
_DARK = 130
# No digit is wider than this share of its height.
WIDEST_DIGIT = 1.6
# Marks in busier surroundings are texture; handwriting on paper has 0.02 to 0.25, walls and lawns 0.4 to 1.
_MOST_DISORDER = 0.38
# Crops are given the paper's light at this grey level.
_PAPER = 230
# Cuts through touching digits lean at most so far (sideways per height), as handwriting does.
_SLANTS = (0.0, 0.2, 0.4, -0.2)


@dataclass(frozen=True)
class Candidate:
    """A mark that may be a digit.

    Attributes:
        box: Where it is, in pixels of the frame.
        crop: uint8 (H, W) grey, cut with a margin; the paper is evenly light in it, and other marks are painted over.
        contrast: Share of the paper's light that its ink takes away, in [0, 1].
        disorder: How busy its surroundings are: 0 clean paper, above 0.3 hardly paper at all.
        mask: uint8 (h, w), 1 where its ink is, at the size of the search.
        corner: Left and top of `mask`, at the size of the search.
    """

    box: Box
    crop: Image
    contrast: float
    disorder: float
    mask: Image
    corner: tuple[int, int]


def views(frame: Image) -> list["Page"]:
    """Sees a frame as ink on paper and, if it is dark, as chalk on a board too.

    Args:
        frame: uint8 (H, W) or (H, W, 3) blue-green-red.
    """
    gray = to_gray(frame)
    dark = float(np.median(gray[::16, ::16])) < _DARK
    return [Page(gray), Page(cv2.bitwise_not(gray))] if dark else [Page(gray)]


def look(frame: Image) -> "Page":
    """Sees a frame in the way that shows the clearer marks; a model tells better (see `Reader`)."""
    return max(views(frame), key=Page.clarity)


class Page:
    """A frame seen as dark ink on paper.

    Args:
        gray: uint8 (H, W).
    """

    def __init__(self, gray: Image) -> None:
        self._scale = min(1.0, _SEARCH_SIZE / max(gray.shape))
        small = gray
        if self._scale < 1:
            small = np.asarray(
                cv2.resize(gray, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        self._gray = gray
        self._paper = estimate_paper(small)
        self._ink = contrast_to(small, self._paper)
        self._mask = ink_mask(small, self._ink, self._paper)

    def clarity(self) -> float:
        """How much looks like writing: marks of a digit's shape count by the calm around them."""
        digits = (mark for mark in self.candidates if mark.mask.shape[1] <= WIDEST_DIGIT * mark.mask.shape[0])
        return sum(_MOST_DISORDER - mark.disorder for mark in digits)

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Marks that may be digits, in no particular order."""
        # Contours give the same marks as labelling every pixel, twenty times faster.
        contours, tree = cv2.findContours(self._mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[-2:]
        outer = [i for i in range(len(contours)) if tree[0][i][3] < 0]
        found = []
        for members in _group(_plausible(contours, outer, self._mask.shape), self._mask.shape):
            x, y, w, h = _union([_box(contours[i]) for i in members])
            if not _sized_like_a_digit((x, y, w, h), self._mask.shape):
                continue
            mask = np.zeros((h, w), np.uint8)
            for i in members:
                cv2.fillPoly(mask, [contours[k] for k in (i, *_children(tree[0], i))], 1, cv2.LINE_8, 0, (-x, -y))
            mask &= self._mask[y : y + h, x : x + w]
            if not _made_of_strokes(mask):
                continue
            disorder = self._disorder(mask, x, y)
            if disorder <= _MOST_DISORDER:
                found.append(self._candidate(mask, x, y, disorder))
        return found

    def pieces(self, candidate: Candidate, *, most: int = 7) -> dict[tuple[int, int], Candidate]:
        """Cuts a mark where little ink is in the way, and gives every piece that may be one digit.

        Args:
            candidate: A mark that may be several digits that touch.
            most: Number of cuts at most.

        Returns:
            Pieces by the numbers of the cuts to their left and right; cut 0 is the mark's left
            end, and the highest its right end.
        """
        mask = candidate.mask
        height = mask.shape[0]
        y, x = np.nonzero(mask)
        behind = np.zeros(len(x), np.intp)  # how many cuts lie to the left of each pixel
        cuts = _clean_cuts(x, y, mask.shape)[:most]
        for slant, column in cuts:
            behind += x + slant * (y - height / 2) >= column
        found = {}
        for first in range(len(cuts) + 1):
            for last in range(first + 1, len(cuts) + 2):
                chosen = (behind >= first) & (behind < last)
                piece = self._piece(candidate, y[chosen], x[chosen])
                if piece is not None:
                    found[first, last] = piece
        return found

    def _piece(self, candidate: Candidate, y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]) -> Candidate | None:
        if len(x) < 8:
            return None
        left, top, right, bottom = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
        high = bottom - top
        if high < max(_MIN_HEIGHT, 0.3 * candidate.mask.shape[0]) or right - left > WIDEST_DIGIT * high:
            return None
        mask = np.zeros((high, right - left), np.uint8)
        mask[y - top, x - left] = 1
        corner = candidate.corner[0] + left, candidate.corner[1] + top
        return self._candidate(mask, *corner, candidate.disorder)

    def _disorder(self, mask: Image, x: int, y: int) -> float:
        """Tells texture from paper: what share of a mark's surroundings is ink, and how rough the rest is.

        Roughness is the root mean square of the paper's contrast over the mark's own.
        """
        h, w = mask.shape
        margin = max(h, w) // 2 + 2
        rows, columns = slice(max(0, y - margin), y + h + margin), slice(max(0, x - margin), x + w + margin)
        marked = self._mask[rows, columns]
        own = int(np.count_nonzero(mask))
        others = int(np.count_nonzero(marked)) - own
        paper = self._ink[rows, columns][cv2.dilate(marked, np.ones((5, 5), np.uint8)) == 0]
        if paper.size < own:
            return 1.0
        rough = math.sqrt(float(np.mean(np.square(paper, dtype=np.float32))))
        strength = float(np.mean(self._ink[y : y + h, x : x + w][mask > 0]))
        return others / (marked.size - own) + rough / strength

    def _candidate(self, mask: Image, x: int, y: int, disorder: float) -> Candidate:
        h, w = mask.shape
        inks = np.sort(self._ink[y : y + h, x : x + w][mask > 0])
        full = tuple(round(side / self._scale) for side in (x, y, w, h))
        box = (full[0], full[1], full[2], full[3])
        return Candidate(
            box, self._cut(mask, x, y), float(inks[int(0.8 * (len(inks) - 1))]) / 255, disorder, mask, (x, y)
        )

    def _cut(self, mask: Image, x: int, y: int) -> Image:
        """Cuts a square with a margin around a mark; other marks in it become paper."""
        h, w = mask.shape
        height, width = self._mask.shape
        half = 0.5 * max(w, h) * 1.35 + 2
        left, right = max(0, int(x + w / 2 - half)), min(width, int(x + w / 2 + half) + 1)
        top, bottom = max(0, int(y + h / 2 - half)), min(height, int(y + h / 2 + half) + 1)
        own = np.zeros((bottom - top, right - left), np.uint8)
        own[y - top : y - top + h, x - left : x - left + w] = mask
        others: Image = self._mask[top:bottom, left:right] & (1 - own)
        around: Image = self._paper[top:bottom, left:right]
        scale = self._scale
        rows = slice(round(top / scale), round(bottom / scale))
        columns = slice(round(left / scale), round(right / scale))
        crop = self._gray[rows, columns]
        size = (crop.shape[1], crop.shape[0])
        if size != (right - left, bottom - top):
            own, others = (
                np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), np.uint8) for part in (own, others)
            )
            around = np.asarray(cv2.resize(around, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        # Divided by the paper's light, so that a shadow's edge is no stroke.
        crop = np.asarray(cv2.divide(crop, cv2.max(around, 1), scale=_PAPER), np.uint8)
        if others.any():
            hidden = cv2.dilate(others, np.ones((5, 5), np.uint8)) > cv2.dilate(own, np.ones((3, 3), np.uint8))
            crop[hidden] = _PAPER
        return crop


def _clean_cuts(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp], shape: tuple[int, ...]) -> list[tuple[float, float]]:
    """Returns cuts as (slant, column at half height) that cross little ink, the cleanest first, well apart."""
    height, width = shape
    least = max(3, round(0.15 * height))
    ways = []
    for slant in _SLANTS:
        at = np.clip(x + slant * (y - height / 2), 0, width - 1).astype(np.intp)
        crossed = np.convolve(np.bincount(at, minlength=width), [0.25, 0.5, 0.25], "same") / height
        for column in range(least, width - least):
            if crossed[column] <= min(crossed[column - 1], crossed[column + 1], 0.45):
                ways.append((float(crossed[column]), slant, float(column) + 0.5))
    chosen: list[tuple[float, float]] = []
    for _, slant, middle in sorted(ways):
        if all(abs(middle - other) >= least for _, other in chosen):
            chosen.append((slant, middle))
    return chosen


def _plausible(contours: Sequence[Any], outer: Sequence[int], shape: tuple[int, ...]) -> list[tuple[int, Box]]:
    """Drops specks, frame-filling nets and long lines; returns (number of the contour, box) of the rest."""
    height, width = shape
    kept = []
    for i in outer:
        if len(contours[i]) < 2:
            continue
        _, _, w, h = box = _box(contours[i])
        long_line = w > 8 * h and w > 0.15 * width
        if max(w, h) >= 4 and w * h >= 8 and w <= 0.9 * width and h <= 0.95 * height and not long_line:
            kept.append((i, box))
    return kept


def _group(parts: list[tuple[int, Box]], shape: tuple[int, ...]) -> list[list[int]]:
    """Joins pieces of one digit, as the bar of a 5 or a broken stroke: a piece joins the next larger mark."""
    parts = sorted(parts, key=lambda part: -max(part[1][2], part[1][3]))
    boxes = np.array([box for _, box in parts], np.float32).reshape(-1, 4)
    # an edge of the sheet or a printed grid takes nothing in
    whole = [_sized_like_a_digit(box, shape) and box[2] <= WIDEST_DIGIT * box[3] for _, box in parts]
    groups: list[list[int]] = []
    home: dict[int, int] = {}
    for place, (label, box) in enumerate(parts):
        near = [i for i in _near(boxes[:place], box) if whole[i] and _belongs(parts[i][1], box)]
        if near:
            home[place] = home[near[-1]]
            groups[home[place]].append(label)
        else:
            home[place] = len(groups)
            groups.append([label])
    return groups


def _near(boxes: npt.NDArray[np.float32], box: Box) -> npt.NDArray[np.intp]:
    """Indices of the boxes at most a quarter of their height away from a box."""
    x, y, w, h = box
    reach = 0.25 * boxes[:, 3] + 1
    across = (boxes[:, 0] - reach < x + w) & (boxes[:, 0] + boxes[:, 2] + reach > x)
    along = (boxes[:, 1] - reach < y + h) & (boxes[:, 1] + boxes[:, 3] + reach > y)
    return np.flatnonzero(across & along)


def _belongs(whole: Box, part: Box) -> bool:
    """Tells whether a smaller mark is a piece of a larger one."""
    x, y, w, h = whole
    px, py, pw, ph = part
    across = min(x + w, px + pw) - max(x, px)
    along = min(y + h, py + ph) - max(y, py)
    taller = max(y + h, py + ph) - min(y, py)
    close = along >= -0.12 * h and across >= 0.6 * min(w, pw)
    if h < _MIN_HEIGHT / 2 or taller > (1.75 if close else 1.4) * h:
        return False
    stacked = across > 0.35 * min(w, pw) and -0.2 * h <= along <= 0.4 * min(h, ph) and pw <= 1.4 * max(w, 0.5 * h)
    bar = -across <= 0.12 * h and along >= 0.5 * ph and ph <= 0.3 * h and 1.5 * ph < pw <= 0.8 * h
    return bool(stacked or bar)


def _sized_like_a_digit(box: Box, shape: tuple[int, ...]) -> bool:
    x, y, w, h = box
    height, width = shape
    if h < _MIN_HEIGHT or w > 5 * h or h > 14 * w:
        return False
    touches = (x <= 0) + (y <= 0) + (x + w >= width) + (y + h >= height)
    return not (touches > 1 or (touches and max(w / width, h / height) > 0.3))


def _made_of_strokes(mask: Image) -> bool:
    """Tells strokes from blobs: lines much thinner than the mark is tall."""
    h, w = mask.shape
    distance = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    thickest = 2 * float(distance.max())
    filled = int(mask.sum())
    if h > 40 and _holes(mask) > 3:  # a grid, a mesh; an 8 has two holes
        return False
    return bool(thickest <= 0.5 * h and (filled <= 0.75 * w * h or w < 0.4 * h))


def _children(tree: Any, i: int) -> list[int]:
    """Numbers of the contours of the holes in contour `i`."""
    holes, hole = [], int(tree[i][2])
    while hole >= 0:
        holes.append(hole)
        hole = int(tree[hole][0])
    return holes


def _holes(mask: Image) -> int:
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[-2:]
    least = 0.002 * mask.size
    return sum(
        1
        for contour, links in zip(contours, tree[0], strict=True)
        if links[3] >= 0 and cv2.contourArea(contour) > least
    )


def _box(contour: Any) -> Box:
    x, y, w, h = cv2.boundingRect(contour)
    return int(x), int(y), int(w), int(h)


def _union(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top
