"""Groups the ink of a level into marks that have a digit's size and are made of strokes. Knows no grey values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.results import Box
from edgits.edge.rules import LENGTH, erase_rules
from edgits.images import Image

# No digit is wider than this share of its height.
WIDEST_DIGIT = 1.9
# So many pieces of ink are looked at, the largest first: a lawn has thousands.
_MOST_PARTS = 500


@dataclass(frozen=True, eq=False)
class Mark:
    """A mark of strokes.

    Attributes:
        mask: uint8 (h, w), 1 where its ink is.
        corner: Left and top of `mask`.
        stroke: Width of its thickest stroke in pixels.
        core: Its largest piece alone, if it is of several: what is near may be a speck or a shadow.
    """

    mask: Image
    corner: tuple[int, int]
    stroke: float
    core: "Mark | None" = None

    @property
    def box(self) -> Box:
        """Where it is."""
        return *self.corner, self.mask.shape[1], self.mask.shape[0]


def find_marks(mask: Image, *, least: int, most: int) -> tuple[list[Mark], Image]:
    """Finds marks that may be digits, or several that touch.

    Args:
        mask: uint8 (H, W), 1 where there is ink.
        least: Least height of a mark.
        most: Greatest height.

    Returns:
        The marks, and the mask without the lines that were found in it.
    """
    contours, tree = _contours(mask)
    boxes = _boxes(contours)
    ruled = max(mask.shape) >= 2 * LENGTH  # in a smaller picture a digit's own strokes are as long as its lines
    lying, standing = (ruled and bool(np.any(boxes[:, side] >= LENGTH)) for side in (2, 3))
    if lying or standing:
        without = erase_rules(mask, lying=lying, standing=standing)
        if without is not mask:
            mask = without
            contours, tree = _contours(mask)
            boxes = _boxes(contours)
    if not contours:
        return [], mask
    outer = tree[:, 3] < 0
    usable = outer & (boxes[:, 2:].max(axis=1) >= 4) & (boxes[:, 2] * boxes[:, 3] >= 8)
    usable &= (boxes[:, 3] <= most) & (boxes[:, 2] <= 6 * most)
    usable &= ~((boxes[:, 2] > 8 * boxes[:, 3]) & (boxes[:, 2] > 0.5 * most))  # long lines
    chosen = np.flatnonzero(usable)
    chosen = chosen[np.argsort(-boxes[chosen, 2:].max(axis=1), kind="stable")][:_MOST_PARTS]
    found = []
    for members in _group([(int(i), _tuple(boxes[i])) for i in chosen], mask.shape, least, most):
        ways = [
            _mark(mask, contours, tree, some, boxes, least, most) for some in (members, members[:1])[: len(members)]
        ]
        whole = ways[0]
        core = ways[-1] if len(members) > 1 else None
        if whole is not None:
            found.append(replace(whole, core=core))
        elif core is not None:
            found.append(core)
    return found, mask


def _contours(mask: Image) -> tuple[Sequence[Any], npt.NDArray[np.int32]]:
    # Contours give the same marks as labelling every pixel, many times faster.
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[-2:]
    return contours, np.asarray(tree[0] if tree is not None else np.zeros((0, 4)), np.int32)


def _boxes(contours: Sequence[Any]) -> npt.NDArray[np.int32]:
    return np.array([cv2.boundingRect(contour) for contour in contours], np.int32).reshape(-1, 4)


def _tuple(box: npt.NDArray[np.int32]) -> Box:
    x, y, w, h = box.tolist()
    return x, y, w, h


def _mark(
    mask: Image,
    contours: Sequence[Any],
    tree: npt.NDArray[np.int32],
    members: list[int],
    boxes: npt.NDArray[np.int32],
    least: int,
    most: int,
) -> Mark | None:
    """Makes a mark of some contours with their holes, if it has a digit's size."""
    x, y, w, h = box = _union([_tuple(boxes[i]) for i in members])
    if not sized_like_a_digit(box, mask.shape, least, most):
        return None
    own = np.zeros((h, w), np.uint8)
    holes = 0
    for i in members:
        inner = _children(tree, i)
        holes += sum(cv2.contourArea(contours[k]) > 0.002 * w * h for k in inner)
        cv2.fillPoly(own, [contours[k] for k in (i, *inner)], 1, cv2.LINE_8, 0, (-x, -y))
    if h > 40 and holes > 3:  # a grid, a mesh; an 8 has two holes
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


def _group(parts: list[tuple[int, Box]], shape: tuple[int, ...], least: int, most: int) -> list[list[int]]:
    """Joins pieces of one digit, as the bar of a 5 or a broken stroke: a piece joins the next larger mark."""
    boxes = np.array([box for _, box in parts], np.float32).reshape(-1, 4)
    whole = [sized_like_a_digit(box, shape, least, most) and box[2] <= WIDEST_DIGIT * box[3] for _, box in parts]
    near = _near(boxes, np.array(whole, np.bool_))
    groups: list[list[int]] = []
    home: dict[int, int] = {}
    for place, (label, box) in enumerate(parts):
        hosts = [i for i in near.get(place, ()) if _belongs(parts[i][1], box) and not _cut_off(box, shape)]
        if hosts:
            home[place] = home[hosts[-1]]
            groups[home[place]].append(label)
        else:
            home[place] = len(groups)
            groups.append([label])
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


def sized_like_a_digit(box: Box, shape: tuple[int, ...], least: int, most: int) -> bool:
    """Tells whether a box may hold a digit or a row of touching ones; what the frame cuts off holds none."""
    x, y, w, h = box
    height, width = shape
    if not least <= h <= most or w > 5 * h or h > 14 * w:
        return False
    touches = (x <= 0) + (y <= 0) + (x + w >= width) + (y + h >= height)
    return not (touches > 1 or (touches and (w < 0.5 * h or max(w / width, h / height) > 0.3)))


def _cut_off(box: Box, shape: tuple[int, ...]) -> bool:
    x, y, w, h = box
    return x <= 0 or y <= 0 or x + w >= shape[1] or y + h >= shape[0]


def _union(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top
