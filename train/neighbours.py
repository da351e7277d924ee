"""Writes clean ink of digits beside each other: one looks into the other's crop, touches it, or is cut off from it."""

import cv2
import numpy as np

from edgits.images import Image

# Digits that touch are parted by cuts that lean so far, sideways per height; a reader's do.
_CUT_SLANTS = (0.0, 0.2, 0.4, -0.2)


def beside(ink: Image, neighbour: Image, rng: np.random.Generator) -> Image:
    """Lets a part of another digit look in at the left or right edge."""
    height, width = ink.shape
    other = cv2.resize(neighbour, (width, height), interpolation=cv2.INTER_AREA)
    columns = np.flatnonzero(other.max(axis=0) > 60)
    filled = np.flatnonzero(ink.max(axis=0) > 60)
    if len(columns) == 0 or len(filled) == 0:
        return ink
    result = ink.copy()
    gap = max(2, round(0.06 * width))
    if rng.random() < 0.5:
        room = min(width - (filled[-1] + gap), columns[-1] - columns[0] + 1)
        if room > 1:
            result[:, width - room :] |= other[:, columns[0] : columns[0] + room]
    else:
        room = min(filled[0] - gap, columns[-1] - columns[0] + 1)
        if room > 1:
            result[:, :room] |= other[:, columns[-1] + 1 - room : columns[-1] + 1]
    return result


def parted(ink: Image, neighbour: Image, rng: np.random.Generator) -> Image:
    """Cuts the digit off from one that touches it, or from two, as a reader does: a stub is left, or a tip is lost."""
    own = cropped(ink)
    for flip in rng.permutation([1, -1])[: rng.choice([1, 2], p=[0.7, 0.3])]:
        other = cropped(neighbour)
        if not own.size or not other.size:
            return ink
        tall = own.shape[0] * rng.uniform(0.8, 1.15)
        size = max(2, round(tall * other.shape[1] / other.shape[0] * rng.uniform(0.85, 1.15))), max(2, round(tall))
        other = np.asarray(cv2.resize(other, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        own = np.ascontiguousarray(_cut_off(own[:, ::flip], other[:, ::flip], rng)[:, ::flip])
    return np.pad(own, max(2, round(0.2 * max(own.shape))))


def _cut_off(own: Image, other: Image, rng: np.random.Generator) -> Image:
    """Lets a digit touch another to its right, and cuts between them; uint8 (H, W), what is left of the cut."""
    height = max(own.shape[0], other.shape[0])
    own, other = (_at_height(digit, height, rng) for digit in (own, other))
    both, at = touch(own, other, int(rng.integers(0, 1 + height // 12)))
    y, x = np.mgrid[0:height, 0 : both.shape[1]].astype(np.float32)
    kept: Image = own
    least = 0.7 * float((own > 128).sum())
    wrong = np.inf
    for slant in _CUT_SLANTS:
        along = x + slant * (y - height / 2)
        mine, others = along[:, : own.shape[1]][own > 128], along[:, at : at + other.shape[1]][other > 128]
        if not len(mine) or not len(others):
            return own
        cut = (mine.max() + others.min()) / 2
        mistaken = float((mine >= cut).sum() + (others < cut).sum())
        if mistaken < wrong:
            wrong, kept = mistaken, both * (along < cut + rng.normal(0, 0.04 * height))
    return cropped(kept) if float((kept > 128).sum()) >= least else own


def _at_height(digit: Image, height: int, rng: np.random.Generator) -> Image:
    above = int(rng.integers(0, height - digit.shape[0] + 1))
    return np.pad(digit, ((above, height - digit.shape[0] - above), (0, 0)))


def cropped(ink: Image) -> Image:
    """Returns the part of an image that holds its ink, uint8 (h, w) white on black; empty without any."""
    left, top, wide, high = cv2.boundingRect((ink > 60).view(np.uint8))
    return ink[top : top + high, left : left + wide]


def touch(ink: Image, digit: Image, over: int) -> tuple[Image, int]:
    """Places a digit to the right of others, so that where they come nearest, ink lies over ink.

    Args:
        ink: uint8 (H, W).
        digit: uint8 (H, w).
        over: By how many pixels.

    Returns:
        Both together, uint8 (H, W'), and in which column the digit begins.
    """
    room = ink.shape[1]
    ends = np.where(ink.max(axis=1) > 128, room - (ink[:, ::-1] > 128).argmax(axis=1), 0)
    starts = np.where(digit.max(axis=1) > 128, (digit > 128).argmax(axis=1), digit.shape[1])
    # nested at most by a third of the digit: two strokes on one another are one
    at = max(int((ends - starts).max()) - over, int(ends.max()) - digit.shape[1] // 3, 0)
    both = np.zeros((ink.shape[0], max(room, at + digit.shape[1])), np.uint8)
    both[:, :room] = ink
    target = both[:, at : at + digit.shape[1]]
    np.maximum(target, digit, out=target)
    return both, at
