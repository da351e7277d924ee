"""Makes windows on rows of digits that touch: what a model sees of a row that it reads without cutting it.

A window's label is the digit whose middle is the window's, or none: between two digits, and on letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgits.images import Image
from edgits.train.augment import bend, camera, on_paper, padded, stroke
from edgits.train.letters import drawn_letters
from edgits.train.marks import moved_up, printed_letters
from edgits.windows import normalize_row

Rng = np.random.Generator

# Height of a row in pixels, before it is seen by a camera, and of its digits as shares of that.
_HEIGHT, _TALL = 40, (0.5, 0.97)
# Pixels by which ink lies over ink where digits come nearest; below 0 they stand apart.
_OVER = (-3, 6)
# Digits beside that which is read, at either side, and how often a letter stands there instead, or in a word.
_BESIDE, _LETTERS, _LETTERS_OF_WORDS = (0, 1, 2), 0.12, 0.7
# Share of letters that are of plain strokes, not of a font.
_DRAWN = 0.65
# A window shows a digit if its middle is so near the digit's, in heights of that, or in distances of the next digit if
# that is nearer; between two digits it is this far from both.
_NEAR, _NEAR_SHARE, _FAR, _FAR_SHARE = 0.11, 0.22, 0.2, 0.4
# What shows no digit: between digits, or on letters.
_BETWEEN = 0.45
# So much of the row is seen to either side of a window's middle, in heights, and paper above and below it.
_SEEN, _MARGIN = 1.1, (0.15, 0.4)
# Share of rows that stay clean ink, and how much smaller or larger the rest are seen.
_PLAIN, _ZOOM = 0.3, (0.6, 1.6)
# A mark's ends aren't known better than to this share of its height.
_MISSED = 0.05


@dataclass(frozen=True)
class _Written:
    """A row: its ink, uint8 (_HEIGHT, W), and where glyphs are: middle, height, and whether it is a digit."""

    ink: Image
    glyphs: tuple[tuple[float, float, bool], ...]

    def within(self, place: int, near: float, share: float) -> float:
        """How far from a glyph's middle it is, `near` heights or a share of the way to the next digit's."""
        middle, height, _ = self.glyphs[place]
        apart = min(
            (abs(middle - other) for other, _, digit in self.glyphs if digit and other != middle), default=np.inf
        )
        return min(near * height, share * apart)


def on_digit(rng: Rng, digits: Sequence[Image], size: int) -> Image:
    """Makes a window on the first of `digits`, with others beside it.

    Args:
        rng: Source of all randomness.
        digits: Five, as clean ink, uint8 (H, W) each.
        size: Side of a model's input in pixels.

    Returns:
        uint8 (size, size), normalised.
    """
    before, after = rng.choice(_BESIDE, 2).tolist()
    if not before and not after:
        after = 1
    shown = [_beside(digit, rng) for digit in digits[1 : 1 + before]]
    shown += [(digits[0], True)] + [_beside(digit, rng) for digit in digits[1 + before : 1 + before + after]]
    row = _write(shown, rng)
    reach = row.within(before, _NEAR, _NEAR_SHARE)
    return _seen(row, row.glyphs[before][0] + rng.uniform(-reach, reach), size, rng)


def on_none(rng: Rng, digits: Sequence[Image], size: int) -> Image:
    """Makes a window between digits, or on a letter; `on_digit` tells the rest."""
    letters = _LETTERS if rng.random() < _BETWEEN else _LETTERS_OF_WORDS
    row = _write([_beside(digit, rng, letters) for digit in digits[: int(rng.integers(1, 5))]], rng)
    for column in rng.uniform(0, row.ink.shape[1], 24).tolist():
        if not any(
            digit and abs(column - middle) < row.within(place, _FAR, _FAR_SHARE)
            for place, (middle, _, digit) in enumerate(row.glyphs)
        ):
            break
    return _seen(row, column, size, rng)


def on_word(rng: Rng, word: Image, size: int) -> Image:
    """Makes a window on a word, whose letters are no digits wherever it stands; `on_digit` tells the rest.

    Args:
        rng: Source of all randomness.
        word: uint8 (H, W), white ink on black.
        size: Side of a model's input in pixels.
    """
    tall = round(_HEIGHT * rng.uniform(*_TALL))
    wide = max(2, round(word.shape[1] * tall / word.shape[0] * rng.uniform(0.85, 1.15)))
    ink = np.asarray(cv2.resize(word, (wide, tall), interpolation=cv2.INTER_AREA), np.uint8)
    above = round(rng.beta(2, 2) * (_HEIGHT - tall))
    row = _Written(np.pad(ink, ((above, _HEIGHT - tall - above), (0, 0))), ())
    return _seen(row, rng.uniform(0, wide), size, rng)


def _beside(digit: Image, rng: Rng, letters: float = _LETTERS) -> tuple[Image, bool]:
    if rng.random() >= letters:
        return digit, True
    return (drawn_letters if rng.random() < _DRAWN else printed_letters)(rng), False


def _write(shown: Sequence[tuple[Image, bool]], rng: Rng) -> _Written:
    """Writes glyphs side by side, of each of which is told whether it is a digit."""
    row = np.zeros((_HEIGHT, 0), np.uint8)
    strength, over = rng.uniform(0.2, 1), rng.integers(*_OVER)
    glyphs = []
    for glyph, digit in shown:
        bent = bend(padded(glyph), rng, max(glyph.shape), strength=strength)
        left, top, wide, high = cv2.boundingRect((bent > 60).view(np.uint8))
        wide, high = max(wide, 1), max(high, 1)
        tall = _HEIGHT * rng.uniform(*_TALL) * (1 if digit else rng.uniform(0.7, 1))
        size = max(2, round(tall * wide / high * rng.uniform(0.85, 1.15))), max(2, round(tall))
        drawn = cv2.resize(bent[top : top + high, left : left + wide], size, interpolation=cv2.INTER_LINEAR)
        above = round(rng.beta(2, 2) * (_HEIGHT - size[1]))
        drawn = np.pad(drawn, ((above, _HEIGHT - size[1] - above), (0, 0)))
        row, at = moved_up(row, np.asarray(drawn, np.uint8), int(over + rng.integers(-2, 2)))
        glyphs.append((at + size[0] / 2, float(size[1]), digit))
    return _Written(row, tuple(glyphs))


def _seen(row: _Written, column: float, size: int, rng: Rng) -> Image:
    """Sees a row by a camera, and normalises what stands around a column of it."""
    margin, half = round(_HEIGHT * rng.uniform(*_MARGIN)), round(_SEEN * _HEIGHT)
    ink = stroke(np.pad(row.ink, ((margin, margin), (half, half))), rng)
    _, top, _, high = cv2.boundingRect((ink > 60).view(np.uint8))
    begin = min(max(round(column), 0), row.ink.shape[1])
    ink, middle = ink[:, begin : begin + 2 * half], column + half - begin
    if rng.random() < _PLAIN:
        photo, dark, zoom = ink, False, 1.0
    else:
        zoom = float(np.exp(rng.uniform(*np.log(_ZOOM))))
        ink = np.asarray(cv2.resize(ink, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)
        page = on_paper(ink, rng)
        inked = ink > 128
        # the reader knows which side of the paper's brightness ink is, and makes it the darker one
        if inked.any() and page[inked].mean() > page[~inked].mean():
            page = np.asarray(cv2.bitwise_not(page), np.uint8)
        photo, dark = camera(page, rng), True
    reach = _MISSED * high
    above, below = rng.uniform(-reach, reach, 2)
    up = max(0, round(zoom * (top + above)))
    box = (0, up, photo.shape[1], max(4, min(round(zoom * (top + high + below)), photo.shape[0]) - up))
    return normalize_row(photo, box, dark_ink=dark).windows([zoom * middle], size)[0]
