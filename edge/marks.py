"""Groups the ink of a level into marks that have a digit's size and are made of strokes. Knows no grey values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.results import Box
from edgits.images import Image

# No digit is wider than this share of its height.
WIDEST_DIGIT = 1.9
Boxes = npt.NDArray[np.int32]  # (N, 4), each as `Box`

# Marks that overlap by more than this share of both together are one, seen at two sizes.
_SAME = 0.6
# Width of a digit as a share of its height, to tell how many may touch.
_USUAL_WIDTH = 0.6
# What is higher than this share of the frame fills it, and may touch one of its sides.
_FILLING = 0.8
# So many pieces of ink are looked at, the largest first: a lawn has thousands.
_MOST_PARTS = 500


@dataclass(frozen=True, eq=False)
class Mark:
    """A mark of strokes.

    Attributes:
        mask: uint8 (h, w), 1 where its ink is.
        corner: Left and top of `mask`.
        stroke: Width of its thickest stroke in pixels.
        parts: If it is of several pieces: those that alone may be digits, too. What is near may be a speck, a shadow,
            a rest of a ruled line.
    """

    mask: Image
    corner: tuple[int, int]
    stroke: float
    parts: tuple["Mark", ...] = ()

    @property
    def box(self) -> Box:
        """Where it is."""
        return *self.corner, self.mask.shape[1], self.mask.shape[0]


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected pieces of a mask's ink, of which a frame of texture has thousands.

    Attributes:
        contours: Of pieces and holes.
        tree: Of each contour: the next one, the one before, the first hole, the one it is a hole in; int32 (M, 4).
        outer: Numbers of the pieces' contours, (N,).
        boxes: Where the pieces are, int32 (N, 4).
    """

    contours: Sequence[Any]
    tree: npt.NDArray[np.int32]
    outer: npt.NDArray[np.intp]
    boxes: Boxes


def find_pieces(mask: Image) -> Pieces:
    """Finds the pieces of a mask, uint8 (H, W), 1 where there is ink, but for single pixels."""
    # Contours give the same marks as labelling every pixel, many times faster.
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[-2:]
    if tree is None:
        return Pieces((), np.zeros((0, 4), np.int32), np.zeros(0, np.intp), np.zeros((0, 4), np.int32))
    links = np.asarray(tree[0], np.int32)
    lengths = np.fromiter(map(len, contours), np.intp, len(contours))
    points, starts = np.concatenate(contours)[:, 0], np.cumsum(lengths) - lengths
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    outer = np.flatnonzero((links[:, 3] < 0) & (lengths > 1))
    return Pieces(contours, links, outer, np.hstack([low, high - low + 1])[outer])


def find_marks(
    mask: Image, pieces: Pieces, *, least: int, most: int, taken: npt.NDArray[np.floating[Any]]
) -> list[Mark]:
    """Finds marks that may be digits, or several that touch.

    Args:
        mask: uint8 (H, W), 1 where there is ink.
        pieces: Its pieces.
        least: Least height of a mark.
        most: Greatest height.
        taken: Boxes, float (N, 4), of the marks found at other sizes; those aren't found again.
    """
    usable = np.flatnonzero(_are_usable(pieces.boxes, most))
    if not len(usable):
        return []
    largest = usable[np.argsort(-pieces.boxes[usable, 2:].max(axis=1), kind="stable")[:_MOST_PARTS]]
    boxes, chosen = pieces.boxes[largest], pieces.outer[largest].tolist()
    rows: list[Box] = [(x, y, w, h) for x, y, w, h in boxes.tolist()]
    sized = sized_like_a_digit(boxes, mask.shape, least, most)
    seen = _seen(boxes, taken)
    found = []
    for members in _group(boxes, rows, sized, mask.shape):
        alone = [
            _mark(mask, pieces, [chosen[i]], rows[i]) for i in members if sized[i] and (len(members) > 1 or not seen[i])
        ]
        parts = [mark for mark in alone if mark]
        if len(members) > 1:
            box = _union(boxes[members])
            fits = sized_like_a_digit(np.array([box]), mask.shape, least, most).all()
            whole = _mark(mask, pieces, [chosen[i] for i in members], box) if fits else None
            if whole:
                parts = [replace(whole, parts=tuple(parts))]
            parts = [mark for mark in parts if not _seen(np.array([mark.box]), taken)[0]]
        found += parts
    return found


def _seen(boxes: npt.NDArray[np.integer[Any]], taken: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
    """Tells which boxes (N, 4) have more in common with one of others (M, 4) than two marks have."""
    (x, y, w, h), (tx, ty, tw, th) = boxes.T[..., None], taken.T[:, None]
    across = np.minimum(tx + tw, x + w) - np.maximum(tx, x)
    along = np.minimum(ty + th, y + h) - np.maximum(ty, y)
    common = np.maximum(across, 0) * np.maximum(along, 0)
    return np.asarray((common > _SAME * (tw * th + w * h - common)).any(axis=1), np.bool_)


def _are_usable(boxes: Boxes, most: int) -> npt.NDArray[np.bool_]:
    """Tells which ink (N, 4) may be a mark or a piece of one: no speck, no long line, nothing too large."""
    w, h = boxes.T[2:]
    usable = (np.maximum(w, h) >= 4) & (w * h >= 8) & (h <= most) & (w <= 6 * most)
    return np.asarray(usable & ~((w > 8 * h) & (w > 0.5 * most)), np.bool_)


def _mark(mask: Image, pieces: Pieces, members: Sequence[int], box: Box) -> Mark | None:
    """Makes a mark of some contours with their holes, which `box` is around."""
    x, y, w, h = box
    own = np.zeros((h, w), np.uint8)
    holes, contours = 0, pieces.contours
    for i in members:
        inner = _children(pieces.tree, i)
        holes += sum(cv2.contourArea(contours[k]) > 0.002 * w * h for k in inner)
        cv2.fillPoly(own, [contours[k] for k in (i, *inner)], 1, cv2.LINE_8, 0, (-x, -y))
    if h > 40 and holes > 1 + 2 * max(1, round(w / (_USUAL_WIDTH * h))):  # a grid, a mesh; an 8 has two holes
        return None
    own &= mask[y : y + h, x : x + w]
    return as_strokes(own, (x, y))


def as_strokes(mask: Image, corner: tuple[int, int]) -> Mark | None:
    """Makes a mark of ink that is made of strokes, lines thinner than it is tall; None of a blob.

    Args:
        mask: uint8 (h, w), 1 where its ink is.
        corner: Left and top of `mask`.
    """
    h, w = mask.shape
    distance = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    thickest = 2 * float(cv2.minMaxLoc(distance)[1]) - 1
    filled = cv2.countNonZero(mask)
    if thickest > 0.55 * h or (filled > 0.82 * w * h and w >= 0.45 * h):
        return None
    return Mark(mask, corner, thickest)


def _children(tree: npt.NDArray[np.int32], i: int) -> list[int]:
    """Numbers of the contours of the holes in contour `i`."""
    holes, hole = [], int(tree[i, 2])
    while hole >= 0:
        holes.append(hole)
        hole = int(tree[hole, 0])
    return holes


def _group(boxes: Boxes, rows: Sequence[Box], sized: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> list[list[int]]:
    """Joins pieces of one digit, as the bar of a 5 or a broken stroke: a piece joins the next larger mark.

    What is a piece of nothing and has no digit's size itself is left out.
    """
    near = _near(boxes.astype(np.float32), sized & (boxes[:, 2] <= WIDEST_DIGIT * boxes[:, 3]))
    groups: list[list[int]] = []
    home: dict[int, int] = {}
    for place in sorted({*np.flatnonzero(sized).tolist(), *near}):
        hosts = [i for i in near.get(place, ()) if _belongs(rows[i], rows[place]) and not _cut_off(rows[place], shape)]
        if hosts:
            home[place] = home[hosts[-1]]
            groups[home[place]].append(place)
        elif sized[place]:
            home[place] = len(groups)
            groups.append([place])
    return groups


def _near(boxes: npt.NDArray[np.float32], whole: npt.NDArray[np.bool_]) -> dict[int, list[int]]:
    """Finds for each box the larger ones, whole marks only, that are at most a quarter of their height away."""
    hosts = np.flatnonzero(whole)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    reach = 0.25 * boxes[hosts, 3, None] + 1
    near = (low[hosts] - reach)[None] < high[:, None]
    near &= (high[hosts] + reach)[None] > low[:, None]
    found: dict[int, list[int]] = {}
    for place, host in np.argwhere(near.all(axis=2) & (hosts[None] < np.arange(len(boxes))[:, None])).tolist():
        found.setdefault(place, []).append(int(hosts[host]))
    return found


def _belongs(whole: Box, part: Box) -> bool:
    """Tells whether a smaller mark is a piece of a larger one."""
    x, y, w, h = whole
    px, py, pw, ph = part
    across = min(x + w, px + pw) - max(x, px)
    along = min(y + h, py + ph) - max(y, py)
    taller = max(y + h, py + ph) - min(y, py)
    close = along >= -0.12 * h and across >= 0.6 * min(w, pw)
    if taller > (1.75 if close else 1.4) * h:
        return False
    stacked = across > 0.35 * min(w, pw) and -0.15 * h <= along <= 0.4 * min(h, ph) and pw <= 1.4 * max(w, 0.5 * h)
    bar = -across <= 0.12 * h and along >= 0.5 * ph and ph <= 0.3 * h and 1.5 * ph < pw <= 0.8 * h
    return bool(stacked or bar)


def sized_like_a_digit(
    boxes: npt.NDArray[np.integer[Any]], shape: tuple[int, ...], least: int, most: int
) -> npt.NDArray[np.bool_]:
    """Tells which boxes (N, 4) may hold a digit or a row of touching ones; what the frame cuts off holds none."""
    x, y, w, h = boxes.T
    height, width = shape
    touches = (x <= 0).astype(int) + (y <= 0) + (x + w >= width) + (y + h >= height)
    fills = h > _FILLING * height  # a photo cut out around its digit
    cut = (touches > 1) | ((touches > 0) & ~fills & ((w < 0.5 * h) | (np.maximum(w / width, h / height) > 0.3)))
    return np.asarray((least <= h) & (h <= most) & (w <= 5 * h) & (h <= 14 * w) & ~cut, np.bool_)


def _cut_off(box: Box, shape: tuple[int, ...]) -> bool:
    x, y, w, h = box
    return x <= 0 or y <= 0 or x + w >= shape[1] or y + h >= shape[0]


def _union(boxes: Boxes) -> Box:
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
    return left, top, right - left, bottom - top
