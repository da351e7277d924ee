"""Draws what `edgits collect` sees for a person, and shows it in a window. Saves nothing."""

import cv2
import numpy as np

from edgits.edge.collect import View
from edgits.edge.overlay import (
    DARK,
    FONT,
    GREY,
    WHITE,
    bar_height,
    draw_alarm,
    draw_box,
    fit_text,
    stroke_of,
    unit_of,
    write,
)
from edgits.edge.sinks import Window
from edgits.images import Image

_AIM = (80, 220, 255)  # blue-green-red: amber, which no ink has


class CollectWindow:
    """A window for collecting.

    Raises:
        OutputError: This machine has no display, or its OpenCV has no windows.
    """

    def __init__(self) -> None:
        self._window = Window("edgits collect")

    def show(self, view: View) -> int | None:
        """Shows a view; returns the key pressed, 255 for none, None if the person ended it."""
        return self._window.show(draw_view(view), None if view.lost else view.frame.time)

    def close(self) -> None:
        """Closes the window."""
        self._window.close()


def draw_view(view: View) -> Image:
    """Draws a view.

    Returns:
        uint8 (H + bar, W, 3): the picture with its marks, the one that a key would save highlighted; below
        it what happened last, the keys, and the count of each digit.
    """
    height, width = view.frame.image.shape[:2]
    unit, picture = unit_of(width, height), view.frame.image.copy()
    if view.lost:
        picture = draw_alarm(picture, view.lost, unit)
    gap = round(4 * unit)
    for x, y, w, h in view.marks:
        corners = (x - gap, y - gap), (x + w + gap, y + h + gap)
        cv2.rectangle(picture, *corners, GREY, max(1, round(unit)), cv2.LINE_AA)
    if view.aimed:
        draw_box(picture, view.aimed, _AIM, max(2, round(3 * unit)), unit)
    bar = np.full((bar_height(width, height), width, 3), DARK, np.uint8)
    _draw_note(bar, view, unit)
    _draw_counts(bar, view, unit)
    return np.vstack([picture, bar])


def _draw_note(bar: Image, view: View, unit: float) -> None:
    """Writes at the left what happened last, and below it what the model reads and the keys."""
    height, width = bar.shape[:2]
    margin, room = round(14 * unit), round(0.45 * width)
    text, size = fit_text(view.note, room, 0.72 * unit, 0.4 * unit)
    write(bar, text, (margin, round(0.48 * height)), size, WHITE)
    hint, size = fit_text(f"{_reads(view)}   u undo   q end", room, 0.46 * unit, 0.3 * unit)
    write(bar, hint, (margin, round(0.82 * height)), size, GREY)


def _reads(view: View) -> str:
    if view.reading is None:
        return "no mark"
    if view.reading.digit is None:
        return "model reads nothing"
    return f"model reads {view.reading.digit} ({100 * view.reading.confidence:.0f})"


def _draw_counts(bar: Image, view: View, unit: float) -> None:
    """Writes at the right each digit above its count; the one saved last stands out."""
    height, width = bar.shape[:2]
    left, step = 0.49 * width, 0.049 * width
    for digit, count in enumerate(view.counts):
        colour = _AIM if digit == view.last else WHITE if count else GREY
        middle = left + step * (digit + 0.5)
        for text, size, base in ((str(digit), 0.72 * unit, 0.48), (str(count), 0.46 * unit, 0.82)):
            text, size = fit_text(text, round(step), size, 0.2 * unit)
            wide = cv2.getTextSize(text, FONT, size, stroke_of(size))[0][0]
            write(bar, text, (round(middle - wide / 2), round(base * height)), size, colour)
