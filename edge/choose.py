"""Chooses between readings that rival for the same ink. Knows boxes and masks, not what digits look like."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgits.edge.candidate import Candidate
from edgits.edge.results import Reading

Read = tuple[Candidate, Reading]

# A whole mark read with this confidence stands for its pieces, if it is not much fainter than they are.
_WHOLE, _AS_DARK = 0.5, 0.6
# A mark gives way to one in it that is seen finer and more likely a digit than not, if the odds of that are so many
# times its own. Of such pairs on 500 made-up photos, the one in the other had up to 7 times the odds in the more than
# 30 in which it was wrong and the other right, and 5, 46, 80, 540 and 7,000 times in the 5 in which it was right.
_FINER_ODDS = 12.0
# The rest of a stroke is lower than this share of its digit, whose pen is no more than so many times as thick.
_REST, _THICKER = 0.5, 1.5
# A mark is a piece of another if this share of its ink is the other's.
_PIECE = 0.6
_SAMPLES = 60
# How likely a piece of touching digits is a digit, rightly read: a logistic regression, fitted on 2,778 wide marks of
# made-up photos of digits that touch, and of letters. On others the weight of "several" was doubled then (0.109 as
# fitted) and "bias" raised by 0.15, which left the more letters whole; what follows was chosen before, likewise.
_PIECE_IS_DIGIT = {
    "bias": -0.7,
    "confidence": 0.438,
    "width": 1.985,
    "height": 6.07,
    "one": -1.194,
    "share": -0.904,
    "cut": -1.818,
    "several": 0.2,
}
# What is less likely a digit than this costs more, as a false digit, than it brings.
_LEAST = 0.25
# A mark that is read whole is parted only if its pieces hold so many digits more.
_MORE = 0.3


def worth_reading(
    pieces: Mapping[tuple[int, int], Candidate], size: tuple[int, int], several: float
) -> dict[tuple[int, int], Candidate]:
    """Leaves out the pieces that `best_row` would not choose, however surely they were read.

    Args:
        pieces: A mark's pieces, as for `best_row`.
        size: The mark's width and height.
        several: See `best_row`.
    """
    sure, last = Reading(0, 1.0), max((end for _, end in pieces), default=0)
    return {
        ends: piece
        for ends, piece in pieces.items()
        if _gain((piece, sure), size, several, whole=ends == (0, last)) > 0
    }


def best_row(pieces: Mapping[tuple[int, int], Read], size: tuple[int, int], several: float) -> list[Read]:
    """Finds the row of pieces that holds the most digits rightly read, by dynamic programming over the cuts.

    What lies between the chosen pieces is left out. The whole mark is one of the rows, and has an advantage.

    Args:
        pieces: Readings of a mark's pieces by the numbers of the cuts to their left and right.
        size: The mark's width and height, in pixels of the frame.
        several: How likely the mark is digits that touch, in [0, 1], as the model says that sees all of it.
    """
    ends = max((end for _, end in pieces), default=0)
    value, row = [0.0] * (ends + 1), [list[Read]() for _ in range(ends + 1)]
    for end in range(1, ends + 1):
        value[end], row[end] = value[end - 1], row[end - 1]
        for start in range(end):
            read = pieces.get((start, end))
            if read is None or read[1].digit is None:
                continue
            gain = value[start] + _gain(read, size, several, whole=(start, end) == (0, ends))
            if gain > value[end]:
                value[end], row[end] = gain, [*row[start], read]
    return row[ends]


def _gain(read: Read, size: tuple[int, int], several: float, *, whole: bool) -> float:
    """What a piece, or the whole mark, brings to a row."""
    # what the whole mark reads as has said already how likely it is several
    return _piece_is_digit(read, size, 0.5 if whole else several) - _LEAST + (_MORE if whole else 0.0)


def _piece_is_digit(read: Read, size: tuple[int, int], several: float) -> float:
    """How likely a piece of a mark of this width and height is a digit, rightly read: in (0, 1)."""
    candidate, reading = read
    _, _, w, h = candidate.box
    traits = {
        "bias": 1.0,
        "confidence": logit(reading.confidence),
        "width": math.log(w / h),
        "height": math.log(h / size[1]),
        "one": reading.digit == 1,
        "share": math.log(w / size[0]),
        "cut": candidate.cut,
        "several": logit(several),
    }
    return 1 / (1 + math.exp(-sum(weight * traits[name] for name, weight in _PIECE_IS_DIGIT.items())))


def logit(share: float) -> float:
    """Returns the logarithm of the odds of a share in [0, 1], which is taken to be within 0.001 and 0.999."""
    share = min(max(share, 1e-3), 1 - 1e-3)
    return math.log(share / (1 - share))


def without_rivals(read: Sequence[Read], shares: npt.NDArray[np.float64]) -> list[int]:
    """Leaves out pieces of digits that were read whole, as where a large digit is also seen at a finer size.

    Args:
        read: Marks read as digits.
        shares: float64 (N,) in [0, 1], how likely each is a digit, judged by itself.

    Returns:
        Indexes into `read`, the largest mark first.
    """
    order = sorted(range(len(read)), key=lambda i: -read[i][0].box[2] * read[i][0].box[3])
    kept: list[int] = []
    for i in order:
        rivals = [k for k in kept if _is_piece(read[i][0], read[k][0])]
        if not rivals:
            kept.append(i)
        elif all(
            _is_weaker(read[k], read[i]) or (_is_finer(read[i], read[k]) and _is_likelier(shares[i], shares[k]))
            for k in rivals
        ):
            kept = [k for k in kept if k not in rivals] + [i]
    return kept


def _is_weaker(whole: Read, piece: Read) -> bool:
    (mark, reading), (part, other) = whole, piece
    if reading.confidence < _WHOLE and other.confidence > reading.confidence:
        return True
    # a thin stroke is fainter, too, where the frame is seen coarser: both as they are there
    y, x = _places(part, mark)
    inside = (y >= 0) & (x >= 0) & (y < mark.level.ink.shape[0]) & (x < mark.level.ink.shape[1])
    if not inside.any():
        return False
    return bool(mark.contrast < _AS_DARK * np.quantile(mark.level.ink[y[inside], x[inside]], 0.8) / 255)


def _is_likelier(one: float, other: float) -> bool:
    return one > 0.5 and one * (1 - other) > _FINER_ODDS * other * (1 - one)


def _is_finer(one: Read, other: Read) -> bool:
    """Tells a digit from the shadow that it stands in: where the frame is seen coarser both are one mark.

    What is left of a stroke of a digit, the rest of which was taken for a ruled line, is of the digit's own pen.
    """
    (part, _), (whole, _) = one, other
    rest = part.box[3] < _REST * whole.box[3] and whole.stroke < _THICKER * part.stroke
    return part.level.scale < whole.level.scale and not rest


def _is_piece(part: Candidate, whole: Candidate) -> bool:
    """Tells whether most of a mark's ink belongs to another mark, or lies on its edge."""
    x, y, w, h = part.box
    left, top, wide, high = whole.box
    if x + w <= left or y + h <= top or x >= left + wide or y >= top + high:
        return False
    ys, xs = _places(part, whole)
    count = len(ys)
    ys, xs = ys - whole.mark.corner[1], xs - whole.mark.corner[0]
    ink = whole.mark.mask
    inside = (ys >= 0) & (xs >= 0) & (ys < ink.shape[0]) & (xs < ink.shape[1])
    ys, xs = ys[inside], xs[inside]
    hits = np.zeros(len(ys), np.bool_)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        hits |= ink[np.clip(ys + dy, 0, ink.shape[0] - 1), np.clip(xs + dx, 0, ink.shape[1] - 1)] > 0
    return bool(hits.sum() >= _PIECE * count)


def _places(part: Candidate, whole: Candidate) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Returns rows and columns, some of a mark's ink, in the frame as another mark was seen; they may be beyond it."""
    rows, columns = np.nonzero(part.mark.mask)
    step = max(1, len(rows) // _SAMPLES)
    own, other = part.level, whole.level
    ratio = own.scale / other.scale
    # a part of the frame seen closer begins elsewhere
    across, down = ((own.corner[side] - other.corner[side]) / other.scale for side in (0, 1))
    ys = (rows[::step] + part.mark.corner[1] + 0.5) * ratio + down
    xs = (columns[::step] + part.mark.corner[0] + 0.5) * ratio + across
    return ys.astype(np.intp), xs.astype(np.intp)
