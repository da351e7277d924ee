"""Draws letters and signs as plain strokes, alone or joined, in the forms of print and of a hand in a hurry.

Letters stand between digits on most pages, and few are in the sets to train on: Omniglot's alphabets are others.
"""

import numpy as np

from edgits.images import Image
from edgits.train.drawn import Points, Rng, Strokes, draw_strokes

Form = tuple[tuple[tuple[float, float], ...], ...]

# Each stroke bends within its points (x, y), with y from 0 at the top to 1; straight between two.
_STEM = ((0.0, 0.0), (0.0, 1.0))
_BOWL = ((0.0, 0.0), (0.5, -0.02), (0.62, 0.28), (0.45, 0.55), (0.0, 0.52))
_V = (((0.0, 0.0), (0.3, 1.0)), ((0.3, 1.0), (0.6, 0.0)))
_X = (((0.0, 0.0), (0.6, 1.0)), ((0.6, 0.0), (0.0, 1.0)))
# Without those that are written like a digit: b q g 6 9, I J l i j 1, O o D Q 0, G 6, S s 5, Z z 2, B 8, A y Y 4, T 7.
_HIGH: dict[str, Form] = {
    "C": (((0.6, 0.14), (0.4, -0.06), (0.0, 0.1), (-0.02, 0.9), (0.4, 1.06), (0.65, 0.84)),),
    "E": (_STEM, ((0.0, 0.0), (0.5, 0.0)), ((0.0, 0.5), (0.42, 0.5)), ((0.0, 1.0), (0.52, 1.0))),
    "E round": (((0.55, 0.08), (0.1, -0.08), (-0.05, 0.45), (0.4, 0.48), (-0.1, 0.5), (-0.1, 1.08), (0.6, 0.95)),),
    "F": (_STEM, ((0.0, 0.0), (0.5, 0.0)), ((0.0, 0.48), (0.4, 0.48))),
    "H": (_STEM, ((0.55, 0.0), (0.55, 1.0)), ((0.0, 0.5), (0.55, 0.5))),
    "K": (_STEM, ((0.5, 0.0), (0.0, 0.55)), ((0.1, 0.48), (0.52, 1.0))),
    "L": (_STEM, ((0.0, 1.0), (0.5, 1.0))),
    "M": (((0.0, 1.0), (0.08, 0.0)), ((0.08, 0.0), (0.4, 0.7)), ((0.4, 0.7), (0.72, 0.0)), ((0.72, 0.0), (0.8, 1.0))),
    "N": (_STEM, ((0.0, 0.0), (0.55, 1.0)), ((0.55, 1.0), (0.55, 0.0))),
    "P": (_STEM, _BOWL),
    "R": (_STEM, _BOWL, ((0.15, 0.52), (0.58, 1.0))),
    "U": (((0.0, 0.0), (0.0, 0.6), (0.0, 1.08), (0.55, 1.08), (0.55, 0.6), (0.55, 0.0)),),
    "V": _V,
    "W": (
        ((0.0, 0.0), (0.2, 1.0)),
        ((0.2, 1.0), (0.42, 0.35)),
        ((0.42, 0.35), (0.64, 1.0)),
        ((0.64, 1.0), (0.85, 0.0)),
    ),
    "X": _X,
    "d": (
        ((0.5, 0.55), (0.3, 0.36), (0.0, 0.45), (-0.02, 1.05), (0.35, 1.08), (0.5, 0.75)),
        ((0.52, 0.0), (0.52, 0.9), (0.6, 1.05), (0.74, 0.98)),
    ),
    "f": (((0.5, 0.08), (0.35, -0.08), (0.18, 0.1), (0.18, 1.0)), ((0.0, 0.4), (0.42, 0.4))),
    "h": (_STEM, ((0.0, 0.68), (0.2, 0.38), (0.45, 0.42), (0.45, 1.0))),
    "k": (_STEM, ((0.42, 0.4), (0.0, 0.72)), ((0.08, 0.66), (0.45, 1.0))),
    "p": (_STEM, ((0.0, 0.12), (0.3, -0.08), (0.52, 0.15), (0.45, 0.58), (0.0, 0.55))),
    "t": (((0.2, 0.0), (0.2, 0.85), (0.28, 1.06), (0.5, 0.94)), ((0.0, 0.32), (0.45, 0.3))),
}
_LOW: dict[str, Form] = {
    "+": (((0.0, 0.5), (0.85, 0.5)), ((0.42, 0.0), (0.42, 1.0))),
    "+ small": (((0.0, 0.5), (0.6, 0.48)), ((0.3, 0.15), (0.3, 0.85))),
    "=": (((0.0, 0.3), (0.8, 0.3)), ((0.0, 0.7), (0.8, 0.7))),
    "a": (
        ((0.62, 0.2), (0.4, -0.12), (0.0, 0.05), (-0.02, 1.02), (0.4, 1.1), (0.62, 0.6)),
        ((0.62, 0.0), (0.62, 0.85), (0.7, 1.06), (0.88, 0.94)),
    ),
    "c": (((0.78, 0.22), (0.5, -0.1), (0.0, 0.05), (0.0, 0.95), (0.5, 1.1), (0.85, 0.78)),),
    "e": (
        ((0.05, 0.55), (0.75, 0.5), (0.75, -0.05), (0.3, -0.1), (-0.05, 0.2), (-0.05, 0.95), (0.4, 1.1), (0.85, 0.82)),
    ),
    "m": (
        _STEM,
        ((0.0, 0.4), (0.2, -0.12), (0.48, -0.05), (0.48, 1.0)),
        ((0.48, 0.4), (0.7, -0.12), (0.95, -0.05), (0.98, 1.0)),
    ),
    "n": (_STEM, ((0.0, 0.4), (0.25, -0.14), (0.62, -0.05), (0.62, 1.0))),
    "r": (_STEM, ((0.0, 0.38), (0.2, -0.04), (0.52, 0.06))),
    "u": (((0.0, 0.0), (0.0, 0.75), (0.1, 1.12), (0.5, 1.05), (0.62, 0.6), (0.62, 0.0)), ((0.62, 0.0), (0.64, 1.0))),
    "v": _V,
    "w": (
        ((0.0, 0.0), (0.05, 1.1), (0.4, 1.08), (0.45, 0.25)),
        ((0.45, 0.25), (0.5, 1.1), (0.85, 1.08), (0.9, 0.0)),
    ),
    "x": _X,
    "x bent": (((0.0, 0.08), (0.28, -0.08), (0.4, 0.5), (0.5, 1.08), (0.8, 0.9)), ((0.75, 0.0), (0.0, 1.0))),
}
_NAMES = (*_HIGH, *_LOW)
# Height of a low letter beside a high one, and how much a hand misses the points of a form, in its heights.
_LOW_HEIGHT, _MISSES = 0.62, 0.035
# So many letters are drawn together, and how far apart in heights; some are joined by a stroke.
_COUNTS, _GAP, _JOINED = (0.6, 0.25, 0.15), (0.0, 0.22), 0.35


def drawn_letters(rng: Rng) -> Image:
    """Draws one to three letters that aren't written like digits: white ink on black, uint8 (84, 84)."""
    strokes: Strokes = []
    names = rng.choice(_NAMES, 1 + rng.choice(len(_COUNTS), p=_COUNTS))
    wide = np.exp(rng.normal(0, 0.18))
    right = 0.0
    for name in names:
        letter = _letter(str(name), wide, rng)
        left = min(float(stroke[:, 0].min()) for stroke in letter)
        gap = rng.uniform(*_GAP) if strokes else 0.0
        letter = [stroke + np.array([right + gap - left, 0]) for stroke in letter]
        if strokes and rng.random() < _JOINED:
            start = letter[0][0]
            strokes.append(_bent(np.array([strokes[-1][-1], (right, 1.0), start])))
        strokes += letter
        right = max(float(stroke[:, 0].max()) for stroke in letter)
    return draw_strokes(strokes, rng)


def _letter(name: str, wide: float, rng: Rng) -> Strokes:
    """A letter's strokes, its foot at 1."""
    form, height = (_HIGH[name], 1.0) if name in _HIGH else (_LOW[name], _LOW_HEIGHT)
    strokes = []
    for points in form:
        stroke = np.array(points) + rng.normal(0, _MISSES, (len(points), 2))
        strokes.append(_bent(stroke * (wide * height, height) + (0, 1 - height)))
    return strokes


def _bent(points: Points) -> Points:
    """Cuts the corners of a stroke, thrice, until it is a curve (Chaikin 1974)."""
    for _ in range(3):
        cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points
