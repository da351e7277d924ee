"""Reading order: groups boxes into lines of text, top line first, each left to right. Knows no digits."""

from collections.abc import Sequence
from statistics import median

from edgits.edge.results import Box


def reading_order(boxes: Sequence[Box]) -> list[list[int]]:
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


def _fit(boxes: Sequence[Box], line: list[int], index: int) -> float:
    """How well a box continues a line: shared height over the lesser height, less the distance."""
    _, top, _, height = boxes[index]
    recent = line[-3:]
    middle = sum(boxes[i][1] + boxes[i][3] / 2 for i in recent) / len(recent)
    tall = max(max(boxes[i][3] for i in recent), height)
    off = abs(top + height / 2 - middle) / tall
    last = boxes[line[-1]]
    gap = max(0, boxes[index][0] - (last[0] + last[2])) / tall
    return 0.5 - off - 0.01 * gap
