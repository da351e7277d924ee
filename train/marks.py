"""Makes crops of what is no digit: letters, scribbles, rules, edges, paper, to be refused, and digits that touch.

A bare straight stroke is not among them: it may be a 1, and only the page around it can tell.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgits.images import Image
from edgits.train.augment import bend, camera, on_paper
from edgits.train.letters import drawn_letters

_SIDE = 64
_ROW = 40  # height of a row of digits, before it is fitted into the crop
# Without those that are written like a digit: b q g 6 9, I l i 1, O o D 0, S s 5, Z z 2, B 8, A y Y 4, T 7.
_SIGNS = "CEFHKLMNPRUVWXacdefhkmnprtuvwx+=*%&@#~^<>?!$"
# A corner whose two strokes go less than so far from left and down, in radians to the middle between both, may be a 7.
_LIKE_A_7 = 0.25 * np.pi + 0.7
_FONTS = (0, 2, 3, 4, 6, 7)  # OpenCV's Hershey fonts, plain and script

Rng = np.random.Generator


def no_digit(rng: Rng) -> Image:
    """Makes an image of something that holds no digit, seen by a camera: uint8 (64, 64)."""
    pick = int(np.searchsorted(_UPTO, rng.random(), side="right"))
    return camera(on_paper(_KINDS[pick][1](rng), rng), rng)


def several_digits(rng: Rng, digits: Sequence[Image]) -> Image:
    """Makes an image of digits that touch, as `touching` writes them, seen by a camera: uint8 (64, 64)."""
    return camera(on_paper(touching(rng, digits), rng), rng)


def _blank() -> Image:
    return np.zeros((_SIDE, _SIDE), np.uint8)


def touching(rng: Rng, digits: Sequence[Image]) -> Image:
    """Makes a crop of digits that touch, as a hurried hand lets them: no single digit, to be parted.

    Args:
        rng: Source of all randomness.
        digits: Two or more as clean ink, uint8 (H, W); two or more of them, in their order, are taken.

    Returns:
        uint8 (64, 64), white ink on black.
    """
    count = int(rng.integers(2, len(digits) + 1))
    row = np.zeros((_ROW, 0), np.uint8)
    for digit in digits[:count]:
        left, top, wide, high = cv2.boundingRect((digit > 60).view(np.uint8))
        if not wide:
            continue
        tall = _ROW * rng.uniform(0.6, 0.9)
        size = max(2, round(tall * wide / high * rng.uniform(0.85, 1.15))), round(tall)
        drawn = cv2.resize(digit[top : top + high, left : left + wide], size, interpolation=cv2.INTER_LINEAR)
        above = int(rng.integers(0, _ROW - size[1] + 1))
        drawn = np.pad(drawn, ((above, _ROW - size[1] - above), (0, 0)))
        row, _ = moved_up(row, np.asarray(drawn, np.uint8), int(rng.integers(1, 5)))
    if not row.size:
        return _blank()
    scale = 0.9 * _SIDE / max(row.shape)
    row = np.asarray(cv2.resize(row, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    over = _SIDE - row.shape[0], _SIDE - row.shape[1]
    return np.pad(row, [(room // 2, room - room // 2) for room in over])


def moved_up(row: Image, digit: Image, over: int) -> tuple[Image, int]:
    """Places a digit to the right of others, so that where they come nearest, ink lies over ink by `over` pixels.

    Args:
        row: uint8 (H, W), white ink on black; W may be 0.
        digit: uint8 (H, w).
        over: Pixels; below 0 they stand apart.

    Returns:
        The row with the digit, and the column at which that begins.
    """
    room = row.shape[1]
    if not room:
        return digit, 0
    ends = np.where(row.max(axis=1) > 128, room - (row[:, ::-1] > 128).argmax(axis=1), 0)
    starts = np.where(digit.max(axis=1) > 128, (digit > 128).argmax(axis=1), digit.shape[1])
    # nested at most by a third of the digit: two strokes on one another are one
    at = max(int((ends - starts).max()) - over, int(ends.max()) - digit.shape[1] // 3, 0)
    wide = np.zeros((row.shape[0], max(room, at + digit.shape[1])), np.uint8)
    wide[:, :room] = row
    target = wide[:, at : at + digit.shape[1]]
    np.maximum(target, digit, out=target)
    return wide, at


def _scribble(rng: Rng) -> Image:
    ink = _blank()
    points = np.cumsum(rng.normal(0, 12, (rng.integers(5, 16), 2)), axis=0) % (_SIDE - 8) + 4
    _draw(ink, points, int(rng.integers(1, 5)), closed=bool(rng.random() < 0.3))
    return ink


def printed_letters(rng: Rng) -> Image:
    """A letter or sign, bent as if written by hand; sometimes two of them."""
    ink = _blank()
    count = 1 if rng.random() < 0.75 else 2
    text = "".join(rng.choice(list(_SIGNS), count))
    font, thick, scale = int(rng.choice(_FONTS)), int(rng.integers(1, 6)), rng.uniform(1.2, 1.7) / count**0.5
    size, _base = cv2.getTextSize(text, font, scale, thick)
    at = (_SIDE - size[0]) // 2, (_SIDE + size[1]) // 2
    cv2.putText(ink, text, at, font, scale, 255, thick, cv2.LINE_AA)
    return bend(ink, rng, _SIDE, strength=rng.uniform(0.5, 2))


def _drawn_letters(rng: Rng) -> Image:
    """Letters of plain strokes, bent as they are written."""
    return bend(drawn_letters(rng), rng, _SIDE, strength=rng.uniform(0.3, 1.2))


def _blots(rng: Rng) -> Image:
    ink = _blank()
    for _blot in range(rng.integers(1, 4)):
        centre = rng.integers(8, 56, 2)
        axes = (rng.integers(6, 24) * rng.uniform([1, 0.6], [1, 1])).astype(int)  # a thin one would be a 1
        cv2.ellipse(ink, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    return ink


def _rules(rng: Rng) -> Image:
    """Corners, forks and crossings of printed lines, at any slant."""
    ink = _blank()
    slant = rng.uniform(-0.4, 0.4) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    corner, thick = rng.uniform(8, 56, 2), int(rng.integers(1, 6))
    arms = rng.permutation(4)[: rng.choice([2, 3, 4], p=[0.4, 0.3, 0.3])]
    angles = slant + arms * np.pi / 2
    # a bare stroke may be a 1, left and down from a corner a 7
    if len(arms) == 2 and (abs(arms[0] - arms[1]) == 2 or np.cos(angles - 0.75 * np.pi).min() > np.cos(_LIKE_A_7)):
        angles = slant + np.arange(3) * np.pi / 2
    for angle in angles + rng.normal(0, 0.04, len(angles)):
        reach = rng.uniform(14, 30) if rng.random() < 0.3 else 100
        _draw(ink, np.array([corner, corner + reach * np.array([np.cos(angle), np.sin(angle)])]), thick)
    return ink


def _edge(rng: Rng) -> Image:
    """The edge of a shadow, a sheet or a table; soft or sharp, straight or bent."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32) / _SIDE - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = along - rng.uniform(-0.3, 0.3) - rng.uniform(-1, 1) * across**2
    step = 1 / (1 + np.exp(-distance * np.exp(rng.uniform(np.log(6), np.log(120)))))
    return np.asarray(255 * rng.uniform(0.3, 1) * step, np.uint8)


def _texture(rng: Rng) -> Image:
    """Mesh, weave, crumples: noise of one coarseness, cut at a level or left soft."""
    rows, columns = rng.integers(4, 20, 2)
    noise = rng.normal(0, 1, (int(rows), int(columns))).astype(np.float32)
    texture = cv2.resize(noise, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        return np.asarray((texture > rng.uniform(0.3, 1.2)) * 255, np.uint8)
    return np.asarray(np.clip(texture * rng.uniform(20, 120), 0, 255), np.uint8)


def _paper(rng: Rng) -> Image:  # noqa: ARG001 - the kinds take the same argument
    return _blank()


def _draw(ink: Image, points: npt.NDArray[np.float64], thick: int, *, closed: bool = False) -> None:
    cv2.polylines(ink, [np.rint(points).astype(np.int32)], closed, 255, thick, cv2.LINE_AA)


_KINDS: tuple[tuple[float, Callable[[Rng], Image]], ...] = (
    (0.12, _scribble),
    (0.2, printed_letters),
    (0.25, _drawn_letters),
    (0.05, _blots),
    (0.14, _rules),
    (0.1, _edge),
    (0.1, _texture),
    (0.04, _paper),
)
_UPTO = np.cumsum([share for share, _ in _KINDS])[:-1]
