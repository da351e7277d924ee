"""Draws digits as plain strokes, in the forms that people use: a 1 with a flag and a foot, a round 0, a crossed 7.

Scanned sets are of thick pens and of one country's hands: few write a 1 with a long flag there, or a 0 as a circle
of a thin pen. Bending, paper and cameras are `augment`'s work.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edgits.dataset import Dataset
from edgits.images import Image

Rng = np.random.Generator
Points = npt.NDArray[np.float64]
Strokes = list[Points]

# Side of an image, and how much of it no ink comes to, both sides together.
SIDE, _RIM = 84, 7
# Least and greatest height of a digit, and width of its pen as a share of that: a ballpoint's to a broad marker's.
_HEIGHT, _PEN = (48, 64), (0.02, 0.2)
# Sideways per height: most hands lean to the right.
_LEAN, _LEANS = 0.1, 0.15
# Points are drawn to a sixteenth of a pixel.
_SHIFT = 4
# Share of digits with corners for curves, as clocks show them, and how these go; a 0 and an 8 would be boxes.
_SQUARE_SHARE = 0.08
_SQUARE = {
    2: ((0, 0), (1, 0), (1, 0.5), (0, 0.5), (0, 1), (1, 1)),
    3: ((0, 0), (1, 0), (1, 0.5), (0.2, 0.5), (1, 0.5), (1, 1), (0, 1)),
    5: ((1, 0), (0, 0), (0, 0.5), (1, 0.5), (1, 1), (0, 1)),
    6: ((1, 0), (0, 0), (0, 1), (1, 1), (1, 0.5), (0, 0.5)),
    9: ((1, 0.5), (0, 0.5), (0, 0), (1, 0), (1, 1), (0.2, 1)),
}
# Share of digits gone over again, up to twice, and how far apart that is in heights: sketched, or corrected.
_AGAIN, _APART = 0.08, 0.025


def drawn_digits(count: int, seed: int) -> Dataset:
    """Draws digits, all ten alike often: white ink on black, uint8 (count, 84, 84)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = np.stack([draw_strokes(_form(label, rng), rng) for label in labels.tolist()])
    return Dataset(images, labels.astype(np.int64), provenance={"source": "drawn", "count": count})


def _form(label: int, rng: Rng) -> Strokes:
    if label in _SQUARE and rng.random() < _SQUARE_SHARE:
        wide, waist = rng.uniform(0.4, 0.6), rng.normal(0, 0.06)
        points = np.array(_SQUARE[label], np.float64)
        points[:, 1] += waist * (points[:, 1] == 0.5)
        return [(points + rng.normal(0, 0.025, points.shape)) * (wide, 1)]
    return _FORMS[label](rng)


def draw_strokes(strokes: Strokes, rng: Rng) -> Image:
    """Draws strokes as a hand that leans does, points (x, y) with y from 0 at the top to 1; see `ink_strokes`."""
    if rng.random() < _AGAIN:
        strokes = [*strokes, *(_unsteady(stroke, rng) for _ in range(rng.integers(1, 3)) for stroke in strokes)]
    return ink_strokes(strokes, rng, leans=True)


def ink_strokes(strokes: Strokes, rng: Rng, *, leans: bool = False) -> Image:
    """Draws strokes, points (x, y) with y from 0 at the top to 1, with one pen: white ink on black, uint8 (84, 84).

    Args:
        strokes: What to draw; a hand's own, or a form's.
        rng: Source of the pen's width, of the size, and of the slant.
        leans: Whether to lean them as hands do.
    """
    height = rng.uniform(*_HEIGHT)
    pen = max(1, round(height * np.exp(rng.uniform(*np.log(_PEN)))))
    if leans:
        lean = np.array([[1, 0], [-rng.normal(_LEAN, _LEANS), 1]])
        strokes = [stroke @ lean for stroke in strokes]
    every = np.concatenate(strokes)
    middle = (every.min(axis=0) + every.max(axis=0)) / 2
    # a wide or high form is drawn smaller, so that it stays within the image
    wide, high = np.maximum(np.ptp(every, axis=0), 0.1)
    scale = min(height, 0.76 * SIDE / wide, (SIDE - _RIM - pen) / high)
    ink = np.zeros((SIDE, SIDE), np.uint8)
    return polylines(ink, [(stroke - middle) * scale + SIDE / 2 for stroke in strokes], pen)


def polylines(ink: Image, strokes: Strokes, pen: int) -> Image:
    """Draws strokes, points (x, y) in pixels, onto uint8 (H, W) with a pen of so many pixels, and returns it."""
    for stroke in strokes:
        cv2.polylines(ink, [np.rint(stroke * 2**_SHIFT).astype(np.int32)], False, 255, pen, cv2.LINE_AA, _SHIFT)
    return ink


def _unsteady(stroke: Points, rng: Rng) -> Points:
    """The same stroke by the same hand once more: a little beside it, and not quite as large."""
    return np.asarray(stroke * (1 + rng.normal(0, _APART, 2)) + rng.normal(0, _APART, 2))


def _line(*points: tuple[float, float]) -> Points:
    return np.array(points, np.float64)


def _arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> Points:
    """An arc of an ellipse around (x, y); degrees from the right, clockwise."""
    angles = np.radians(np.linspace(start, end, 24))
    return np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], axis=1)


def _joined(*parts: Points) -> Points:
    return np.concatenate(parts)


def _zero(rng: Rng) -> Strokes:
    """An oval or a circle that doesn't quite close, or whose ends overlap."""
    start = -90 + rng.normal(0, 30)
    ring = _arc(0, 0.5, rng.uniform(0.25, 0.55), 0.5, start, start + rng.choice([-1, 1]) * rng.uniform(325, 390))
    spiral = 1 + rng.normal(0, 0.05) * np.linspace(-1, 1, len(ring))[:, None]
    return [(ring - (0, 0.5)) * spiral + (0, 0.5)]


def _one(rng: Rng) -> Strokes:
    """A stroke, straight or a little bent, with a flag, a foot or both, or bare."""
    lean, bow = rng.normal(0, 0.06), rng.normal(0, 0.04)
    strokes = [_curve((lean, 0), (bow, 0.5), (-lean, 1))]
    flagged = rng.random() < 0.65
    if flagged:
        angle, reach = np.radians(rng.uniform(22, 62)), rng.uniform(0.15, 0.6)
        flag = _line((lean - reach * np.sin(angle), reach * np.cos(angle)), (lean, 0))
        strokes = [_joined(flag, strokes[0])]
    if rng.random() < 0.35:
        foot = rng.uniform(0.12, 0.35, 2)
        strokes.append(_line((-lean - foot[0], 1), (-lean + foot[1], 1)))
    return strokes


def _two(rng: Rng) -> Strokes:
    wide, high = rng.uniform(0.24, 0.4), rng.uniform(0.2, 0.32)
    bow = _arc(0, high, wide, high, rng.uniform(160, 220), 360 + rng.uniform(10, 50))
    sag = rng.uniform(-0.05, 0.05)
    return [_joined(bow, _line((-wide * rng.uniform(0.9, 1.2), 1), (0, 1 + sag), (wide * rng.uniform(1, 1.5), 1)))]


def _three(rng: Rng) -> Strokes:
    wide, waist = rng.uniform(0.24, 0.38), rng.uniform(0.4, 0.52)
    low = _arc(0, (1 + waist) / 2, wide, (1 - waist) / 2, -90 + rng.uniform(0, 25), rng.uniform(130, 180))
    if rng.random() < 0.25:  # a flat top
        return [_joined(_line((-wide, 0), (wide, 0), (-0.1 * wide, waist)), low)]
    return [_joined(_arc(0, waist / 2, 0.9 * wide, waist / 2, -rng.uniform(130, 180), 80), low)]


def _four(rng: Rng) -> Strokes:
    wide, bar, stem = rng.uniform(0.5, 0.75), rng.uniform(0.52, 0.7), rng.uniform(0.6, 0.85)
    x, beyond = stem * wide, wide * rng.uniform(0.95, 1.2)
    if rng.random() < 0.5:  # closed
        return [_line((x, 0), (0, bar), (beyond, bar)), _line((x, 0), (x, 1))]
    if rng.random() < 0.4:  # two strokes of about one height, the bar ends at the second
        x = beyond = wide
    lean = rng.normal(0, 0.06)
    return [
        _line((rng.uniform(0, 0.5) * wide, rng.normal(0, 0.04)), (0, bar), (beyond, bar + rng.normal(0, 0.05))),
        _line((x + lean, rng.uniform(-0.05, 0.35)), (x - lean, 1)),
    ]


def _five(rng: Rng) -> Strokes:
    wide, waist = rng.uniform(0.24, 0.38), rng.uniform(0.36, 0.48)
    bow = _arc(0, (1 + waist) / 2, wide, (1 - waist) / 2, rng.uniform(-140, -110), rng.uniform(120, 175))
    neck = _line((wide * rng.uniform(-1, -0.6), 0), (float(bow[0, 0]), float(bow[0, 1])))
    bar = _line((wide * rng.uniform(0.7, 1.4), rng.normal(0, 0.04)))
    if rng.random() < 0.5:
        return [_joined(bar, neck, bow)]
    return [_joined(neck, bow), _joined(neck[:1], bar)]


def _six(rng: Rng) -> Strokes:
    wide, loop = rng.uniform(0.22, 0.36), rng.uniform(0.2, 0.32)
    back = rng.uniform(0, 0.5)  # how straight
    start = (wide * rng.uniform(0.2, 1.1), 0)
    middle = 1 - loop
    belly = (-wide * (1 - 0.3 * back), middle * (0.75 - 0.2 * back))
    ring = _arc(0, middle, wide, loop, 180, 180 - rng.uniform(330, 380))
    return [_joined(_curve(start, belly, (-wide, middle)), ring)]


def _seven(rng: Rng) -> Strokes:
    wide, tilt = rng.uniform(0.4, 0.75), rng.normal(0, 0.05)
    foot = wide * rng.uniform(0.2, 1.0)
    bend = ((wide + foot) / 2 + rng.normal(0, 0.06), 0.5)
    if rng.random() < 0.25:  # a wave for a bar
        wave = rng.uniform(0.04, 0.09) * np.sin(np.linspace(0, 2 * np.pi, 16))
        bar = np.stack([np.linspace(0, wide, 16), np.linspace(tilt, 0, 16) - wave], axis=1)
    else:
        bar = _line((0, tilt))
    strokes = [_joined(bar, _curve((wide, 0), bend, (foot, 1)))]
    if rng.random() < 0.2:
        strokes.append(_line((0, tilt), (rng.normal(0, 0.03), tilt + rng.uniform(0.08, 0.18))))
    if rng.random() < 0.35:
        y, reach = rng.uniform(0.4, 0.6), rng.uniform(0.12, 0.28, 2)
        x = wide + (foot - wide) * y
        strokes.append(_line((x - reach[0], y + rng.normal(0, 0.03)), (x + reach[1], y)))
    return strokes


def _eight(rng: Rng) -> Strokes:
    wide, waist = rng.uniform(0.22, 0.36), rng.uniform(0.42, 0.52)
    if rng.random() < 0.5:  # two rings
        upper = _arc(0, waist / 2, wide * rng.uniform(0.7, 1), waist / 2, 90, 90 + rng.uniform(345, 370))
        return [_joined(upper, _arc(0, (1 + waist) / 2, wide, (1 - waist) / 2, -90, -90 - rng.uniform(345, 370)))]
    around = np.linspace(0, 2 * np.pi, 48) * rng.uniform(0.96, 1.03) + rng.normal(0, 0.2)
    return [np.stack([wide * np.sin(2 * around), 0.5 - 0.5 * np.cos(around)], axis=1)]


def _nine(rng: Rng) -> Strokes:
    wide, loop = rng.uniform(0.22, 0.36), rng.uniform(0.2, 0.32)
    ring = _arc(0, loop, wide, loop, rng.uniform(-60, 0), -rng.uniform(330, 380))
    foot = (wide * rng.uniform(-0.4, 1.2), 1)
    stem = _curve((wide, loop * rng.uniform(0.2, 1)), (wide, 0.6), foot)
    if rng.random() < 0.35:  # a hook to the left
        hook = rng.uniform(0.3, 0.9) * wide
        stem = _joined(_curve((wide, loop), (wide, 0.85), (0.3 * wide, 1)), _line((0.3 * wide - hook, 0.93)))
    return [ring, stem]


def _curve(start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]) -> Points:
    """A quadratic Bézier curve that is drawn towards `bend`."""
    t = np.linspace(0, 1, 16)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * np.array(bend) + t**2 * np.array(end))


_FORMS: tuple[Callable[[Rng], Strokes], ...] = (
    *(_zero, _one, _two, _three, _four),
    *(_five, _six, _seven, _eight, _nine),
)
