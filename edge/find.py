"""Finds what may be a digit in a frame: dark or light strokes on paper, under uneven light.

It knows strokes and sizes, not digits: telling digits from other marks is the model's work.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.results import Box
from edgits.images import Image, to_gray

# Frames are searched at this size at most (longer side, pixels); crops are cut from the full frame.
_SEARCH_SIZE = 1280
_MIN_HEIGHT = 10
# The least share of the paper's light that ink takes away; faint pencil takes 0.1 to 0.2.
_MIN_CONTRAST = 0.09
# A pixel is ink if it has this share of the strongest ink near it: cuts halos and bleed-through.
_SHARE_OF_PEAK = 0.38


@dataclass(frozen=True)
class Candidate:
    """A mark that may be a digit.

    Attributes:
        box: Where it is, in pixels of the frame.
        crop: uint8 (H, W) grey, cut with a margin; other marks in it are painted over with paper.
        contrast: Share of the paper's light that its ink takes away, in [0, 1].
    """

    box: Box
    crop: Image
    contrast: float


def find(frame: Image) -> list[Candidate]:
    """Finds marks that may be digits.

    Args:
        frame: uint8 (H, W) or (H, W, 3) blue-green-red.

    Returns:
        Candidates in no particular order.
    """
    gray = to_gray(frame)
    scale = min(1.0, _SEARCH_SIZE / max(gray.shape))
    small = gray
    if scale < 1:
        small = np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    candidates = _find_dark(gray, small, scale)
    if np.median(small[::8, ::8]) < 110:  # a dark frame may be a board with chalk on it
        inverted = _find_dark(255 - gray, 255 - small, scale)
        if _ink_total(inverted) > _ink_total(candidates):
            candidates = inverted
    return candidates


def _ink_total(candidates: list[Candidate]) -> float:
    return sum(candidate.contrast * candidate.box[3] for candidate in candidates)


def _find_dark(gray: Image, small: Image, scale: float) -> list[Candidate]:
    paper = estimate_paper(small)
    ink = contrast_to(small, paper)
    mask = _ink_mask(ink)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    groups = _group(_plausible(stats[:count], mask.shape))
    found = []
    for members in groups:
        box = _union([stats[i] for i in members])
        if not _looks_written(box, members, labels, mask.shape):
            continue
        x, y, w, h = box
        inside = labels[y : y + h, x : x + w]
        own = np.isin(inside, members)
        contrast = float(np.percentile(ink[y : y + h, x : x + w][own], 80)) / 255
        crop = _cut(gray, paper, labels, members, box, scale)
        full = tuple(round(side / scale) for side in box)
        found.append(Candidate((full[0], full[1], full[2], full[3]), crop, contrast))
    return found


def estimate_paper(gray: Image) -> Image:
    """Estimates the paper behind the ink: uint8 of the same shape, strokes closed over.

    A closing (Sternberg 1986) with a window of about a seventh of the frame removes dark strokes up
    to that width and keeps shadows and the edges of the sheet.
    """
    height, width = gray.shape
    step = 8 if min(height, width) >= 160 else 4 if min(height, width) >= 80 else 1
    size = (max(1, width // step), max(1, height // step))
    coarse = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    window = max(3, int(0.15 * min(height, width) / step) | 1)
    closed = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((window, window), np.uint8))
    closed = cv2.blur(closed, (3, 3))
    return np.asarray(cv2.resize(closed, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def contrast_to(gray: Image, paper: Image) -> Image:
    """Returns how much of the paper's light is missing: uint8, 0 none to 255 all."""
    return np.asarray(255 - cv2.divide(gray, cv2.max(paper, 1), scale=255), np.uint8)


def _ink_mask(ink: Image) -> Image:
    smooth = cv2.GaussianBlur(ink, (3, 3), 0)
    noise = 1.4826 * float(np.median(cv2.absdiff(ink, smooth)[::4, ::4]))
    least = max(_MIN_CONTRAST * 255, 5 * noise)
    reach = max(9, int(0.05 * min(ink.shape)) | 1)
    peak = cv2.dilate(smooth, np.ones((reach, reach), np.uint8))
    limit = cv2.max(cv2.convertScaleAbs(peak, alpha=_SHARE_OF_PEAK), np.full_like(peak, int(min(least, 250))))
    return np.asarray(cv2.compare(smooth, limit, cv2.CMP_GT) // 255, np.uint8)


def _plausible(stats: npt.NDArray[np.int32], shape: tuple[int, ...]) -> list[tuple[int, Box]]:
    """Drops specks, frame-filling nets and long lines; returns (label, box) of the rest."""
    height, width = shape
    kept = []
    for label in range(1, len(stats)):
        x, y, w, h, area = (int(value) for value in stats[label])
        if area < 8 or max(w, h) < 4 or w > 0.9 * width or h > 0.95 * height:
            continue
        if w > 8 * h and w > 0.15 * width:
            continue
        kept.append((label, (x, y, w, h)))
    return kept


def _group(parts: list[tuple[int, Box]]) -> list[list[int]]:
    """Joins pieces of one digit: the bar of a 5, a broken stroke."""
    parts = sorted(parts, key=lambda part: -part[1][3])
    groups: list[tuple[list[int], Box]] = []
    for label, box in parts:
        home = next((group for group in groups if _belongs(group[1], box)), None)
        if home is None:
            groups.append(([label], box))
        else:
            groups[groups.index(home)] = ([*home[0], label], _union([home[1], box]))
    return [members for members, _ in groups]


def _belongs(whole: Box, part: Box) -> bool:
    x, y, w, h = whole
    px, py, pw, ph = part
    across = min(x + w, px + pw) - max(x, px)
    gap = max(py - (y + h), y - (py + ph), 0)
    beside = max(px - (x + w), x - (px + pw), 0)
    taller = max(y + h, py + ph) - min(y, py)
    joined_above = across > 0.4 * min(w, pw) and gap <= 0.18 * h and taller <= 1.35 * h and pw <= 1.3 * max(w, 0.5 * h)
    joined_beside = beside <= 0.1 * h and gap == 0 and ph <= 0.45 * h and pw <= 0.7 * h and pw > ph
    return joined_above or joined_beside


def _looks_written(box: Box, members: list[int], labels: npt.NDArray[np.int32], shape: tuple[int, ...]) -> bool:
    x, y, w, h = box
    height, width = shape
    if h < _MIN_HEIGHT or w > 2.2 * h or h > 12 * w:
        return False
    touches = (x <= 0) + (y <= 0) + (x + w >= width) + (y + h >= height)
    if (touches and max(w / width, h / height) > 0.3) or touches > 1:
        return False
    own = np.isin(labels[y : y + h, x : x + w], members).astype(np.uint8)
    area = int(own.sum())
    thickest = 2 * float(cv2.distanceTransform(np.pad(own, 1), cv2.DIST_L2, 3).max())
    return thickest <= 0.5 * h and (area <= 0.75 * w * h or w < 0.35 * h)


def _cut(gray: Image, paper: Image, labels: npt.NDArray[np.int32], members: list[int], box: Box, scale: float) -> Image:
    """Cuts a square with a margin around the mark; other marks in it become paper."""
    x, y, w, h = box
    height, width = labels.shape
    half = 0.5 * max(w, h) * 1.35 + 2
    left, right = max(0, int(x + w / 2 - half)), min(width, int(x + w / 2 + half) + 1)
    top, bottom = max(0, int(y + h / 2 - half)), min(height, int(y + h / 2 + half) + 1)
    window = labels[top:bottom, left:right]
    own = np.isin(window, members).astype(np.uint8)
    others = ((window > 0) & (own == 0)).astype(np.uint8)
    around = paper[top:bottom, left:right]
    if scale < 1:
        rows = slice(round(top / scale), round(bottom / scale))
        columns = slice(round(left / scale), round(right / scale))
        crop = gray[rows, columns].copy()
        size = (crop.shape[1], crop.shape[0])
        own = cv2.resize(own, size, interpolation=cv2.INTER_NEAREST)
        others = cv2.resize(others, size, interpolation=cv2.INTER_NEAREST)
        around = cv2.resize(around, size, interpolation=cv2.INTER_LINEAR)
    else:
        crop = gray[top:bottom, left:right].copy()
    if others.any():
        reach = np.ones((5, 5), np.uint8)
        hidden = (cv2.dilate(others, reach) > 0) & (cv2.dilate(own, np.ones((3, 3), np.uint8)) == 0)
        crop[hidden] = around[hidden]
    return crop


def _union(boxes: list[Box] | list[npt.NDArray[np.int32]]) -> Box:
    left = min(int(box[0]) for box in boxes)
    top = min(int(box[1]) for box in boxes)
    right = max(int(box[0] + box[2]) for box in boxes)
    bottom = max(int(box[1] + box[3]) for box in boxes)
    return left, top, right - left, bottom - top
