"""Groups boxes into lines, top line first, each from left to right, and those into numbers. Knows no digits."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgits.edge.results import Box  # which splits by this module

# A gap parts two numbers if it is half as wide as the digits are high at least, and twice as wide as the next narrower
# gap of the line with so much more; or if it is this wide whatever the others are. All in heights of the digits.
_APART, _WIDER, _MORE, _FAR = 0.5, 2.0, 0.1, 1.5


def reading_order(boxes: Sequence["Box"]) -> list[list[int]]:
    """Groups boxes into lines.

    A box joins the line whose nearest member, at its side, it overlaps most in height; so a
    line may climb or fall, as on tilted paper.

    Args:
        boxes: Left, top, width, height each.

    Returns:
        Indices into `boxes`: a list a line, top line first, left to right within it.
    """
    lines: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda i: boxes[i][0]):
        best = max(lines, key=lambda line: _fit(boxes, line, index), default=None)
        if best is None or _fit(boxes, best, index) <= 0:
            lines.append([index])
        else:
            best.append(index)
    return sorted(lines, key=lambda line: median(boxes[i][1] + boxes[i][3] / 2 for i in line))


def split_numbers(boxes: Sequence["Box"]) -> list[int]:
    """Parts a line of digits into numbers, where gaps are clearly wider than the others.

    Args:
        boxes: Of one line's digits, left to right.

    Returns:
        How many digits each number has; digits that are evenly spaced are one number.
    """
    if not boxes:
        return []
    height = median(box[3] for box in boxes)
    gaps = [max(0.0, (right[0] - left[0] - left[2]) / height) for left, right in pairwise(boxes)]
    least = min([_FAR, *(wide for narrow, wide in pairwise(sorted(gaps)) if _parts(narrow, wide))])
    starts = [0, *(place for place, gap in enumerate(gaps, 1) if gap >= least), len(boxes)]
    return [end - start for start, end in pairwise(starts)]


def _parts(narrow: float, wide: float) -> bool:
    return wide >= max(_APART, _WIDER * (narrow + _MORE))


def _fit(boxes: Sequence["Box"], line: list[int], index: int) -> float:
    """How well a box continues a line: shared height over the lesser height, less the distance."""
    _, top, _, height = boxes[index]
    recent = line[-3:]
    middle = sum(boxes[i][1] + boxes[i][3] / 2 for i in recent) / len(recent)
    tall = max(max(boxes[i][3] for i in recent), height)
    off = abs(top + height / 2 - middle) / tall
    last = boxes[line[-1]]
    gap = max(0, boxes[index][0] - (last[0] + last[2])) / tall
    return 0.5 - off - 0.01 * gap
