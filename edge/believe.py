"""Decides which readings to believe: what is no digit often looks like one, a rule like a 1 most of all.

Two logistic regressions: the first judges each mark by itself, the second among what else is on the
page, by the first's shares. The weights were fitted on made-up photos of digits on ruled, squared and
textured paper, with shadows, tables and letters, and on pictures without digits; those of "row" and "filling" alone,
later, with the others held. That of "word" was chosen on made-up photos of numbers between words of handwriting fonts:
a greater one leaves out more letters, and more digits that touch; that of "lone one" on made-up photos of a single 1,
of which 91 % are believed, 76 % without it, and on crops of pictures without digits, in which nothing more is; that of
"bracket" on photos of sums: with -6 a few 1s that bow are left out, too; "limb" has the same. What the model refuses is
weighed again where it stands beside digits of the same pen. It knows no pixels.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgits.edge.choose import Read, without_rivals
from edgits.edge.results import Box, Reading

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Chosen on development photos, made-up ones, and pictures without digits: on these `small` finds three at 0.45, none at
# 0.5, with the photos read alike.
_LEAST = 0.5
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
    "filling": 4.4,
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
    "word": 3.0,
    "lone one": 1.6,
    "bracket": -4.0,
    "limb": -4.0,
}
# A stroke that is read as a 1 or a 7 and bows by so many heights may be a bracket, and is one from the second on.
_STRAIGHT, _BOWED = 0.07, 0.12
# One that goes on in something broad and as dark along this share of its outline may be a limb of that, and is one from
# the second on: of 379 on photos of numbers none has more than 0.03, a horse's legs in silhouette 0.09 to 0.11.
_FREE, _GROWN = 0.03, 0.06
# What is higher than this share of the frame fills it: of marks that do, in made-up photos, such photos cut out around
# their digit and pictures without digits, 93 % are digits rightly read.
_FILLING = 0.5
# More marks of one hand than this tell no more: a page of print has hundreds that read like a digit.
_ENOUGH = 10.0
# Marks are alike if their heights, strokes and contrasts differ by no more than these logarithms.
_ALIKE = (0.7, 0.7, 0.5)
# Marks stand in a row if their heights differ by no more than this logarithm, the lower one has this share of its
# height beside the other, and no more heights lie between them; more than two neighbours count as two.
_ROW_HEIGHTS, _BESIDE, _ROW_GAP, _NEIGHBOURS = 0.35, 0.5, 1.5, 2.0
# Marks are of one word, or number, if they stand in a row so close; letters differ in height more than digits, a shadow
# beside a digit by more. What is more heights away isn't looked at. The gap was chosen on photos of printed forms: with
# 0.3 two thirds more letters are read as digits there, with 0.6 numbers beside words are taken for a part of these.
_WORD_HEIGHTS, _WORD_GAP, _WORD_LENGTH = 0.65, 0.45, 6.0
# A word is as sure as the logits of its marks' confidences are on average, less what is usual for digits. A refused
# mark counts as this, and as many letters as its width has room for: all of it, or what is left if pieces of it are
# read; none if those are so wide a share of it.
_USUALLY, _REFUSED, _LETTER_WIDTH, _IN_PIECES = 4.0, -1.0, 0.7, 0.7
# A refused mark lower than this share of a digit's height counts so much only.
_LOWER, _OF_LOWER = 0.75, 0.4
# A mark beside digits of the same pen is so many times as likely a digit as the model, which sees it alone, says: one
# that stands in a row with so many at least, whose height may differ by this logarithm, and no more heights apart.
# The factor was chosen for the thin 1s of four real photos; made-up photos are read alike from 1 to 16. The gap was
# chosen for one of digits that stand far apart; made-up ones are read alike with 1.5.
_COMPANY, _LEAST_COMPANY, _COMPANY_HEIGHTS, _COMPANY_GAP = 8.0, 2, 0.6, 4.0
# Heights of one hand differ by this logarithm; more than this beyond it counts as this: other pens may be there, too.
_USUAL, _UNUSUAL = 0.4, 0.7
# What lies within so many heights of a mark is around it, if it is at least this share as high.
_AROUND, _NO_SPECK = 2.5, 0.25


def believed(read: Sequence[Read], others: Sequence[Box], size: tuple[int, int]) -> list[Read]:
    """Leaves out the readings that are likely to be of something else, and of pieces of digits that were read whole.

    Args:
        read: Marks read as digits.
        others: Boxes of marks that the model says are none.
        size: Height and width of the frame.
    """
    if not read:
        return []
    traits = Traits(read, others, size)
    shares = traits.alone()
    kept = without_rivals(read, shares)
    if len(kept) < len(read):
        read, shares = [read[i] for i in kept], shares[kept]
        traits = Traits(read, others, size)
    return [one for one, share in zip(read, traits.among(shares), strict=True) if share > _LEAST]


def in_company(doubtful: Sequence[Read], digits: Sequence[Read]) -> list[Read]:
    """Weighs what a model says of marks by where they stand: beside digits of the same pen a bare stroke is a 1.

    Args:
        doubtful: Marks that were not read as digits.
        digits: Marks that were.

    Returns:
        Those of `doubtful` that stand in a row with digits, as they read there.
    """
    if not doubtful or len(digits) < _LEAST_COMPANY:
        return []
    marks = [mark for mark, _ in (*doubtful, *digits)]
    count = len(doubtful)
    row = _in_row(np.array([mark.box for mark in marks], np.float64), _COMPANY_HEIGHTS, _COMPANY_GAP)
    pens = _alike([[max(mark.stroke, 0.5) for mark in marks], [max(mark.contrast, 0.02) for mark in marks]], _ALIKE[1:])
    beside = row & pens
    reach = beside | (beside[:, count:] @ beside[count:])  # the next but one, too
    return [
        (mark, _weighed(reading))
        for (mark, reading), found in zip(doubtful, reach[:count, count:].sum(axis=1), strict=True)
        if found >= _LEAST_COMPANY
    ]


def _weighed(reading: Reading) -> Reading:
    """Returns a reading after the odds of a digit are raised by `_COMPANY`."""
    total = _COMPANY * reading.any_digit + 1 - reading.any_digit
    digits = _COMPANY * reading.any_digit / total
    return replace(reading, confidence=_COMPANY * reading.confidence / total, any_digit=digits)


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
        bows = [mark.bow if reading.digit in (1, 7) else 0.0 for mark, reading in read]
        self._bracket = np.interp(bows, (_STRAIGHT, _BOWED), (0, 1))
        limbs = [mark.limb if reading.digit in (1, 7) else 0.0 for mark, reading in read]
        self._limb = np.interp(limbs, (_FREE, _GROWN), (0, 1))
        self._rough = np.array([min(mark.rough, 0.6) for mark in marks])
        self._crowd = np.array([min(mark.crowd, 0.6) for mark in marks])
        self._contrast = np.array([max(mark.contrast, 0.02) for mark in marks])
        self._stroke = np.array([max(mark.stroke, 0.5) for mark in marks])
        self._whole = np.array([mark.cut == 0 for mark in marks])

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
            "filling": np.maximum(np.log(h / (_FILLING * height)), 0),
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
        high = np.sign(high) * np.clip(np.abs(high) - _USUAL, 0, _UNUSUAL)
        thick = np.abs(np.log(self._stroke / _middle(self._stroke, weights)))
        dark = np.log(self._contrast / _middle(self._contrast, weights))
        support = np.minimum(self._of_one_hand() @ shares, _ENOUGH)
        traits = {
            "alone": _logit(shares),
            "stroke": thick,
            "height": high,
            "other height": np.abs(high),
            "support": np.log1p(support),
            "dark one": self._one * dark,
            "high one": self._one * np.abs(high),
            "best": shares >= shares.max(),
            "clutter": np.log1p(self._clutter(shares)),
            "row": np.minimum(_in_row(self._boxes, _ROW_HEIGHTS, _ROW_GAP) @ shares, _NEIGHBOURS),
            "word": self._word(),
            "lone one": self._one * self._is_lone(),
            "bracket": self._bracket * self._whole * np.minimum(support, 1),
            "limb": self._limb,
        }
        return _share(traits, _AMONG)

    def _of_one_hand(self) -> Flags:
        """Tells which two marks may be of one hand: bool (N, N)."""
        return _alike([self._boxes[:, 3], self._stroke, self._contrast], _ALIKE)

    def _is_lone(self) -> Flags:
        """Tells what nothing else stands beside on the page, but specks: bool (N,)."""
        heights = np.concatenate([self._others[:, 3], self._boxes[:, 3]])
        return np.asarray((heights > _NO_SPECK * self._boxes[:, 3:]).sum(axis=1) == 1, np.bool_)

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

    def _word(self) -> Floats:
        """Tells letters from digits by their company: how sure all of each one's word is, float64 (N,).

        Above 0 it is as sure as digits are; 0 of a mark by itself. Pieces of what touches don't tell of others.
        """
        common = _common(self._others, self._boxes)
        inside = common[..., 1] > 0
        # hundreds of marks may be too far away to tell anything
        beside = (inside & (-common[..., 0] < _WORD_LENGTH * self._boxes[:, 3])).any(axis=1)
        others, read = self._others[beside], (inside * np.maximum(common[..., 0], 0)).sum(axis=1)[beside]
        wide, high = others[:, 2:].T
        unread = np.maximum(wide / (_LETTER_WIDTH * high), 1) * np.maximum(1 - read / (_IN_PIECES * wide), 0)
        boxes = np.concatenate([self._boxes, others])
        own = _logit(self._confidence) - _USUALLY
        sure = np.concatenate([own, np.full(len(others), _REFUSED - _USUALLY)])
        letters = np.concatenate([self._whole, unread])
        word = _groups(_in_row(boxes, _WORD_HEIGHTS, _WORD_GAP))
        counts = (word[: len(own), None] == word) * letters
        # signs and an x are lower than the digits beside them
        counts[:, len(own) :] *= np.where(high < _LOWER * self._boxes[:, 3:], _OF_LOWER, 1.0)
        counts[np.arange(len(own)), np.arange(len(own))] = 0
        total, count = counts @ sure, counts.sum(axis=1)
        return np.where(count > 0, (total + own) / (count + 1), 0.0)


def _common(some: Floats, others: Floats) -> Floats:
    """Widths and heights that boxes (N, 4) have in common with others (M, 4), below 0 of a gap: float64 (N, M, 2)."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, :2] + some[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    return np.asarray(high - low, np.float64)


def _groups(linked: Flags) -> npt.NDArray[np.intp]:
    """Numbers the groups that links (N, N) make, of each of N."""
    number = np.arange(len(linked))
    while True:
        least = np.minimum(number, np.where(linked, number, len(number)).min(axis=1, initial=len(number)))
        if (least == number).all():
            return number
        number = least[least]


def _alike(values: Sequence[npt.ArrayLike], least: Sequence[float]) -> Flags:
    """Tells which two marks differ by less than `least` in each value's logarithm: bool (N, N), none with itself."""
    sizes = np.log(np.asarray(values, np.float64))
    alike = np.asarray(
        (np.abs(sizes[:, :, None] - sizes[:, None]) < np.reshape(least, (-1, 1, 1))).all(axis=0), np.bool_
    )
    np.fill_diagonal(alike, False)
    return alike


def _in_row(boxes: Floats, heights: float, gap: float) -> Flags:
    """Tells which two marks stand side by side as the digits of a number do: bool (N, N), none with itself.

    Args:
        boxes: float64 (N, 4).
        heights: What their heights may differ by, in the logarithm.
        gap: How many heights may lie between them.
    """
    h = boxes[:, 3]
    common = _common(boxes, boxes)
    row = _alike([h], [heights])
    row &= common[..., 1] >= _BESIDE * np.minimum(h[:, None], h)
    row &= -common[..., 0] <= gap * np.maximum(h[:, None], h)
    return row


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
