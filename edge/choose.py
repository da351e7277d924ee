"""Chooses between readings that rival for the same ink. Knows boxes and masks, not what digits look like."""

from collections.abc import Sequence

import numpy as np

from edgits.edge.find import Candidate
from edgits.edge.results import Reading

Read = tuple[Candidate, Reading]

# A whole mark read with this confidence stands for its pieces, if it is not much fainter than they are.
_WHOLE, _AS_DARK = 0.5, 0.6
# A mark is a piece of another if this share of its ink is the other's.
_PIECE = 0.6
_SAMPLES = 60


def without_rivals(read: Sequence[Read]) -> list[Read]:
    """Leaves out pieces of digits that were read whole, as where a large digit is also seen at a finer size.

    Args:
        read: Marks read as digits.
    """
    order = sorted(read, key=lambda one: -one[0].box[2] * one[0].box[3])
    kept: list[Read] = []
    for one in order:
        rivals = [whole for whole in kept if _is_piece(one[0], whole[0])]
        if not rivals:
            kept.append(one)
        elif all(_weaker(whole, one) for whole in rivals):
            kept = [whole for whole in kept if not any(whole is rival for rival in rivals)] + [one]
    return kept


def _weaker(whole: Read, piece: Read) -> bool:
    return (whole[1].confidence < _WHOLE and piece[1].confidence > whole[1].confidence) or (
        whole[0].contrast < _AS_DARK * piece[0].contrast
    )


def _is_piece(part: Candidate, whole: Candidate) -> bool:
    """Tells whether most of a mark's ink belongs to another mark, or lies on its edge."""
    x, y, w, h = part.box
    left, top, wide, high = whole.box
    if x + w <= left or y + h <= top or x >= left + wide or y >= top + high:
        return False
    rows, columns = np.nonzero(part.mark.mask)
    step = max(1, len(rows) // _SAMPLES)
    ratio = part.level.scale / whole.level.scale
    ys = ((rows[::step] + part.mark.corner[1] + 0.5) * ratio).astype(np.intp) - whole.mark.corner[1]
    xs = ((columns[::step] + part.mark.corner[0] + 0.5) * ratio).astype(np.intp) - whole.mark.corner[0]
    ink = whole.mark.mask
    inside = (ys >= 0) & (xs >= 0) & (ys < ink.shape[0]) & (xs < ink.shape[1])
    ys, xs = ys[inside], xs[inside]
    hits = np.zeros(len(ys), np.bool_)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        hits |= ink[np.clip(ys + dy, 0, ink.shape[0] - 1), np.clip(xs + dx, 0, ink.shape[1] - 1)] > 0
    return bool(hits.sum() >= _PIECE * len(rows[::step]))
