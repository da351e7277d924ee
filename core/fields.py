"""Finds paper of two tones in a crop: a shadow's or a sheet's edge, a coloured field, a strip of tape.

Light that changes slowly is what an opening takes away (`normalize`); it fails where a digit lies across a hard edge.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.images import Image

_Floats = npt.NDArray[np.floating[Any]]

# Least difference between the tones: in grey levels, and as a share of all the contrast that the crop has.
_LEAST_STEP, _LEAST_SHARE = 24, 0.3
# A crop with a shorter side shows no edge.
_LEAST_SIDE = 12
# What is narrower along the border, as a share of the shorter side, is a line or a stroke.
_NARROWEST = 1 / 7
# How far, as a share of the step, a pixel may be from its field's tone to be paper, and the border's are on average.
# A digit that touches the border on two sides makes fields, too, but less even ones (0.08 to 0.2; real ones 0 to 0.06).
_NEAR, _UNEVEN = 0.25, 0.08
# Shares: of a field that is its paper, of an edge that shows a step (a digit may lie across), and of the crop that the
# field in the middle takes (a digit that touches the border on two sides makes one of 0.2 to 0.35) and any must (lines
# along the border take less).
_PAPER, _EDGE, _MIDDLE, _LEAST_FIELD = 0.5, 0.35, 0.35, 0.1
# Looked for so far from an edge, and so wide at most, in 28ths of the shorter side.
_BESIDE, _SOFTEST = 1.5, 4.0
# How far the edge may be from where it was found, in pixels.
_SLACK = 0.5
# Least light, in grey levels, that ink is told to have taken or left.
_LEAST_ROOM = 64


@dataclass(frozen=True)
class _Parting:
    """A crop parted into two fields: what lies beyond one edge or two, and the rest.

    Attributes:
        edges: Where each begins and ends at the border, (row, column).
        beyond: (H, W), how many pixels beyond an edge each pixel lies; below 0 in the rest.
        tones: Grey levels of the paper beyond and of the rest.
        plain: Share of the field that shows less of its paper.
        uneven: How far the border is from the tone of its field on average, in the field where that is more.
    """

    edges: list[tuple[_Floats, _Floats]]
    beyond: _Floats
    tones: tuple[float, float]
    plain: float
    uneven: float

    @property
    def step(self) -> float:
        """Grey levels between the tones."""
        return abs(self.tones[0] - self.tones[1])


def ink_on_fields(gray: Image, *, dark_ink: bool | None = None) -> Image | None:
    """Takes away paper of two tones, and the light that falls on each.

    Args:
        gray: uint8 (H, W).
        dark_ink: Whether the ink is darker than the paper; where that isn't known it may be either in each field.

    Returns:
        uint8 (H, W), 0 paper, 255 ink that is as dark, or as light, as can be; None where the paper isn't of two
        plain fields (`two_toned`).
    """
    paper = two_toned(gray)
    if paper is None:
        return None
    # ink takes the same share of what light there is
    darkest, lightest = (tones.astype(np.float32) for tones in paper)
    darker = np.maximum(darkest - gray, 0) / np.maximum(darkest, _LEAST_ROOM)
    lighter = np.maximum(gray - lightest, 0) / np.maximum(255 - lightest, _LEAST_ROOM)
    ink = np.maximum(darker, lighter) if dark_ink is None else darker if dark_ink else lighter
    return np.asarray(np.rint(255 * ink.clip(0, 1)), np.uint8)


def two_toned(gray: Image) -> tuple[Image, Image] | None:
    """Finds the paper of a crop in which one straight edge, or two, part two tones.

    The crop's border tells where the edges begin and end: it changes its tone there.

    Args:
        gray: uint8 (H, W).

    Returns:
        How dark and how light the paper may be at each pixel, uint8 (H, W) each: its field's tone, and between both
        tones where the edge may be; None where the paper isn't of two plain fields.
    """
    if min(gray.shape) < _LEAST_SIDE:
        return None
    rows, columns = _border(*gray.shape)
    rim = gray[rows, columns].astype(np.float32)
    low, high = float(rim.min()), float(rim.max())
    least = max(_LEAST_STEP, _LEAST_SHARE * (float(gray.max()) - float(gray.min())))
    if high - low < least:
        return None
    light = rim > (low + high) / 2
    turns = np.flatnonzero(light != np.roll(light, 1))
    if len(turns) not in (2, 4) or np.diff(turns, append=turns[0] + len(rim)).min() < _NARROWEST * min(gray.shape):
        return None
    found = max(_partings(gray, rim, turns), key=lambda parting: parting.plain, default=None)
    if found is None or found.plain < _PAPER or found.step < least or found.uneven > _UNEVEN * found.step:
        return None
    unit = max(1.0, min(gray.shape) / 28)
    in_middle = (found.beyond > 0) == (found.beyond[gray.shape[0] // 2, gray.shape[1] // 2] > 0)
    shown = min(_shown(gray, *edge, found.step, _BESIDE * unit) for edge in found.edges)
    if in_middle.mean() < _MIDDLE or shown < _EDGE:
        return None
    between = np.abs(rim - sum(found.tones) / 2) < _NEAR * found.step
    soft = min(max(1.0, 2 * between.sum() / len(turns)), _SOFTEST * unit)
    there, rest = found.tones
    mixed = [rest + (there - rest) * np.clip((found.beyond + off) / soft + 0.5, 0, 1) for off in (-_SLACK, _SLACK)]
    return np.rint(np.minimum(*mixed)).astype(np.uint8), np.rint(np.maximum(*mixed)).astype(np.uint8)


def _partings(gray: Image, rim: _Floats, turns: npt.NDArray[np.intp]) -> Iterator[_Parting]:
    """Yields how edges between the `turns` of the border's tone may part a crop: a strip may be of either tone."""
    rows, columns = _border(*gray.shape)
    ends = np.stack([rows[turns] + rows[turns - 1], columns[turns] + columns[turns - 1]], axis=1) / 2
    middles = (turns + np.diff(turns, append=turns[0] + len(rim)) // 2) % len(rim)
    inner = np.stack([rows[middles], columns[middles]], axis=1)
    for first in range(len(turns) // 2):
        cuts = [(ends[at], ends[(at + 1) % len(turns)], inner[at]) for at in range(first, len(turns), 2)]
        beyond = np.maximum.reduce([_distances(*cut, gray.shape) for cut in cuts])
        masks = (beyond > 0, beyond <= 0)
        sides = [rim[mask[rows, columns]] for mask in masks]
        if min(mask.mean() for mask in masks) >= _LEAST_FIELD and all(len(side) for side in sides):
            tones = float(np.median(sides[0])), float(np.median(sides[1]))
            near = _NEAR * abs(tones[0] - tones[1])
            plain = min(
                float((np.abs(gray[mask] - tone) < near).mean()) for mask, tone in zip(masks, tones, strict=True)
            )
            uneven = max(float(np.abs(side - tone).mean()) for side, tone in zip(sides, tones, strict=True))
            yield _Parting([cut[:2] for cut in cuts], beyond, tones, plain, uneven)


@lru_cache(maxsize=256)
def _border(height: int, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Returns rows and columns of the outermost pixels, in their order around."""
    down, right = np.arange(height - 1), np.arange(width - 1)
    rows = [np.zeros_like(right), down, np.full_like(right, height - 1), down[::-1] + 1]
    columns = [right, np.full_like(down, width - 1), right[::-1] + 1, np.zeros_like(down)]
    return np.concatenate(rows), np.concatenate(columns)


def _distances(begin: _Floats, end: _Floats, inside: _Floats, shape: tuple[int, ...]) -> _Floats:
    """Returns how far each pixel is from the line through two points, (row, column), on the side of a third above 0."""
    (y, x), (down, right) = begin, end - begin
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    distances: _Floats = (right * (rows - y) - down * (columns - x)) / np.hypot(down, right)
    return distances if distances[tuple(inside)] > 0 else -distances


def _shown(gray: Image, begin: _Floats, end: _Floats, step: float, beside: float) -> float:
    """Returns at which share of an edge the pixels on its both sides differ by half a step at least."""
    along = end - begin
    across = np.array([along[1], -along[0]]) * (beside / np.hypot(*along))
    on = begin + np.linspace(0, 1, 2 * max(gray.shape))[1:-1, None] * along
    last = np.array(gray.shape) - 1
    sides = [np.clip(np.rint(on + way * across), 0, last).astype(np.intp).T for way in (1, -1)]
    here, there = (gray[rows, columns].astype(np.float32) for rows, columns in sides)
    return float((np.abs(here - there) > step / 2).mean())
