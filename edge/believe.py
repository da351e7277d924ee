"""Decides which readings to believe: what is no digit often looks like one, a rule like a 1 most of all.

Two logistic regressions: the first judges each mark by itself, the second among what else is on the
page, by the first's shares. The weights were fitted on made-up photos of digits on ruled, squared and
textured paper, with shadows, tables and letters, and on pictures without digits; that of "row" alone, later, with the
others held. It knows no pixels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgits.edge.choose import Read
from edgits.edge.results import Box

Floats = npt.NDArray[np.float64]

_LEAST = 0.45
_ALONE = {
    "bias": 0.252,
    "confidence": 0.784,
    "rough": -19.302,
    "crowd": -14.803,
    "contrast": 1.082,
    "one": -2.511,
    "rim": -3.613,
    "width": 0.764,
    "stroke": -1.002,
    "rough one": -9.087,
}
_AMONG = {
    "bias": -0.024,
    "alone": 0.728,
    "stroke": 0.320,
    "height": 1.537,
    "other height": -3.621,
    "support": 1.168,
    "dark one": 1.011,
    "high one": -1.112,
    "best": 0.549,
    "clutter": -0.822,
    "row": 1.5,
}
# Marks are alike if their heights, strokes and contrasts differ by no more than these logarithms.
_ALIKE = (0.7, 0.7, 0.5)
# Marks stand in a row if their heights differ by no more than this logarithm, the lower one has this share of its
# height beside the other, and no more heights lie between them; more than two neighbours count as two.
_ROW_HEIGHTS, _BESIDE, _ROW_GAP, _NEIGHBOURS = 0.35, 0.5, 1.5, 2.0
# Heights of one hand differ by this logarithm.
_USUAL = 0.4
# What lies within so many heights of a mark is around it, if it is at least this share as high.
_AROUND, _NO_SPECK = 2.5, 0.25


def believed(read: Sequence[Read], others: Sequence[Box], size: tuple[int, int]) -> list[Read]:
    """Leaves out the readings that are likely to be of something else.

    Args:
        read: Marks read as digits.
        others: Boxes of marks that the model says are none.
        size: Height and width of the frame.
    """
    if not read:
        return []
    traits = Traits(read, others, size)
    shares = traits.alone()
    return [one for one, share in zip(read, traits.among(shares), strict=True) if share > _LEAST]


class Traits:
    """What tells digits from other marks, of all marks of a page.

    Args:
        read: Marks read as digits, at least one.
        others: Boxes of marks that the model says are none.
        size: Height and width of the frame.
    """

    def __init__(self, read: Sequence[Read], others: Sequence[Box], size: tuple[int, int]) -> None:
        marks = [candidate for candidate, _ in read]
        self._boxes = np.array([mark.box for mark in marks], np.float64)
        self._others = np.array(others, np.float64).reshape(-1, 4)
        self._size = size
        self._confidence = np.array([reading.confidence for _, reading in read])
        self._one = np.array([reading.digit == 1 for _, reading in read], np.float64)
        self._rough = np.array([min(mark.rough, 0.6) for mark in marks])
        self._crowd = np.array([min(mark.crowd, 0.6) for mark in marks])
        self._contrast = np.array([max(mark.contrast, 0.02) for mark in marks])
        self._stroke = np.array([max(mark.stroke, 0.5) for mark in marks])

    def alone(self) -> Floats:
        """How likely each mark is a digit, judged by itself: float64 (N,) in (0, 1)."""
        x, y, w, h = self._boxes.T
        height, width = self._size
        rim = np.minimum(np.minimum(x, y), np.minimum(width - x - w, height - y - h)) <= 2
        traits = {
            "confidence": _logit(self._confidence),
            "rough": self._rough,
            "crowd": self._crowd,
            "contrast": np.log(self._contrast),
            "one": self._one,
            "rim": rim,
            "width": np.log(w / h),
            "stroke": np.log(self._stroke / h),
            "rough one": self._one * self._rough,
        }
        return _share(traits, _ALONE)

    def among(self, shares: Floats) -> Floats:
        """How likely each mark is a digit, judged among the others: float64 (N,) in (0, 1).

        Args:
            shares: float64 (N,), what `alone` returned.
        """
        h = self._boxes[:, 3]
        weights = shares**2 * h
        high = np.log(h / _middle(h, weights))
        high = np.sign(high) * np.maximum(np.abs(high) - _USUAL, 0)
        thick = np.abs(np.log(self._stroke / _middle(self._stroke, weights)))
        dark = np.log(self._contrast / _middle(self._contrast, weights))
        traits = {
            "alone": _logit(shares),
            "stroke": thick,
            "height": high,
            "other height": np.abs(high),
            "support": np.log1p(self._alike() @ shares),
            "dark one": self._one * dark,
            "high one": self._one * np.abs(high),
            "best": shares >= shares.max(),
            "clutter": np.log1p(self._clutter(shares)),
            "row": np.minimum(self._in_row() @ shares, _NEIGHBOURS),
        }
        return _share(traits, _AMONG)

    def _alike(self) -> Floats:
        """1 where two marks may be of one hand: float64 (N, N), 0 on the diagonal."""
        alike = np.ones((len(self._boxes),) * 2, np.bool_)
        for values, least in zip((self._boxes[:, 3], self._stroke, self._contrast), _ALIKE, strict=True):
            sizes = np.log(values)
            alike &= np.abs(sizes[:, None] - sizes) < least
        np.fill_diagonal(alike, False)
        return alike.astype(np.float64)

    def _in_row(self) -> Floats:
        """1 where two marks stand side by side as the digits of a number do: float64 (N, N), 0 on the diagonal."""
        low, high = self._boxes[:, :2], self._boxes[:, :2] + self._boxes[:, 2:]
        h = self._boxes[:, 3]
        common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        size = np.log(h)
        row = np.asarray(np.abs(size[:, None] - size) < _ROW_HEIGHTS, np.bool_)
        row &= common[..., 1] >= _BESIDE * np.minimum(h[:, None], h)
        row &= -common[..., 0] <= _ROW_GAP * np.maximum(h[:, None], h)
        np.fill_diagonal(row, False)
        return row.astype(np.float64)

    def _clutter(self, shares: Floats) -> Floats:
        """Number of marks around each that are likely no digits: float64 (N,)."""
        boxes = np.concatenate([self._others, self._boxes])
        weights = np.concatenate([np.ones(len(self._others)), 1 - shares])
        middles = boxes[:, :2] + boxes[:, 2:] / 2
        h = self._boxes[:, 3]
        own = middles[len(self._others) :]
        apart = np.abs(own[:, None] - middles[None]).max(axis=2)
        near = (apart < _AROUND * h[:, None] + boxes[None, :, 3] / 2) & (boxes[None, :, 3] > _NO_SPECK * h[:, None])
        near[np.arange(len(h)), len(self._others) + np.arange(len(h))] = False
        return np.asarray(near @ weights, np.float64)


def _share(traits: dict[str, Floats], weights: dict[str, float]) -> Floats:
    total = sum(weights[name] * np.asarray(values, np.float64) for name, values in traits.items()) + weights["bias"]
    return np.asarray(1 / (1 + np.exp(-np.clip(total, -9, 9))), np.float64)


def _logit(shares: Floats) -> Floats:
    shares = np.clip(shares, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(shares / (1 - shares)), np.float64)


def _middle(values: Floats, weights: Floats) -> float:
    """The weighted median."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
