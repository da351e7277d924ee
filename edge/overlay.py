"""Draws what was read onto a frame, for people. Knows nothing of windows and files.

The picture stays uncovered by text: the reading stands in a bar below it. OpenCV's own
drawing alone is used, so it has ASCII letters only.
"""

import functools
from statistics import median

import cv2
import numpy as np

from edgits.edge.results import Box, Digit, FrameResult
from edgits.images import Image, to_gray

Colour = tuple[int, int, int]

FONT = cv2.FONT_HERSHEY_DUPLEX
DARK: Colour = (28, 24, 22)
WHITE: Colour = (255, 255, 255)
GREY: Colour = (168, 160, 154)
_ALARM: Colour = (48, 48, 208)
_AMBER: Colour = (64, 190, 255)
OLD_MS = 300.0
"""Milliseconds of age from which a frame is called old: a person sees the delay."""

_MOST_ROWS = 3  # of text in the bar
# Hues far apart for numbers that follow each other: the golden angle, on OpenCV's circle of 180.
_HUE_STEP, _HUE_FIRST = 68.75, 95
# Where digits are lower than so many units, their neighbours' labels would cover all but the name.
_LOW = 28


def draw(image: Image, result: FrameResult, *, fps: float | None = None, status: str | None = None) -> Image:
    """Draws a result.

    Args:
        image: uint8 (H, W, 3) blue-green-red, or (H, W) grey; isn't changed.
        result: What was read in it.
        fps: Frames a second, for the bar; None leaves it out.
        status: What is wrong, such as a lost camera. The picture is then greyed as out of date.

    Returns:
        uint8 (H + `bar_height`, W, 3): the picture, and below it the bar with the whole reading.
    """
    height, width = image.shape[:2]
    picture = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    picture = np.asarray(picture, np.uint8)
    unit = unit_of(width, height)
    if status:
        picture = draw_alarm(picture, status, unit)
    if result.region is not None:
        _dim_around(picture, result.region)
    brief = bool(result.digits) and median(digit.box[3] for digit in result.digits) < _LOW * unit
    for digit in result.digits:
        _draw_digit(picture, digit, unit, brief=brief)
    bar = np.full((bar_height(width, height), width, 3), DARK, np.uint8)
    notes = [] if status else _notes(result, fps)
    column = _write_notes(bar, notes, unit)
    _write_text(bar, result, width - column, unit, "no picture" if status else "no digits")
    return np.vstack([picture, bar])


def bar_height(width: int, height: int) -> int:
    """Returns the height of the bar below a picture, in pixels; keeps even heights even, as video needs."""
    return 2 * round(36 * unit_of(width, height))


def unit_of(width: int, height: int) -> float:
    """Size of one unit of the drawing in pixels: 1 at 640x480."""
    return max(0.6, min(width / 640, height / 480))


def _draw_digit(picture: Image, digit: Digit, unit: float, *, brief: bool) -> None:
    """Draws the box and its label: full if stable, else thin; if `brief` the label is the name alone."""
    colour = _colour(digit.track or 0)
    settled = digit.stable is not False
    thin = max(1, round((2 if settled else 1) * unit))
    left, top, wide, high = draw_box(picture, digit.box, colour, thin, unit)
    size, small = 0.62 * unit, 0.36 * unit
    name, share = str(digit.digit), f"{100 * digit.confidence:.0f}"
    (name_wide, name_high), _ = cv2.getTextSize(name, FONT, size, stroke_of(size))
    (share_wide, _), _ = cv2.getTextSize(share, FONT, small, stroke_of(small))
    pad = max(2, round(3 * unit))
    label = (name_wide + 2 * pad + (0 if brief else share_wide + pad), name_high + 2 * pad)
    x = int(np.clip(left + wide // 2 - label[0] // 2, 0, max(0, picture.shape[1] - label[0])))
    y = top - label[1] - thin if top - label[1] - thin >= 0 else min(top + high + thin, picture.shape[0] - label[1])
    _panel(picture, (x, y), label, colour if settled else DARK, max(2, round(4 * unit)))
    ink = _ink_on(colour) if settled else colour
    base = y + pad + name_high
    write(picture, name, (x + pad, base), size, ink)
    if brief:
        return
    write(picture, share, (x + 2 * pad + name_wide, base), small, ink)
    if digit.track is not None:
        _draw_number(picture, digit.track, (left + wide // 2, top + high), colour, unit)


def _draw_number(picture: Image, track: int, middle: tuple[int, int], colour: Colour, unit: float) -> None:
    """Writes a track's number under its box, or leaves it out where that isn't in the picture."""
    text, size = f"#{track}", 0.34 * unit
    (wide, high), _ = cv2.getTextSize(text, FONT, size, stroke_of(size))
    pad = max(1, round(2 * unit))
    x, y = middle[0] - wide // 2, middle[1] + pad
    if y + high + pad <= picture.shape[0]:
        _panel(picture, (x - pad, y - pad), (wide + 2 * pad, high + 2 * pad), DARK, pad)
        write(picture, text, (x, y + high), size, colour)


def _dim_around(picture: Image, region: Box) -> None:
    """Darkens what isn't read."""
    x, y, wide, high = region
    inside = picture[y : y + high, x : x + wide].copy()
    cv2.convertScaleAbs(picture, dst=picture, alpha=0.4)
    picture[y : y + high, x : x + wide] = inside
    cv2.rectangle(picture, (x, y), (x + wide - 1, y + high - 1), WHITE, 1)


def draw_box(picture: Image, box: Box, colour: Colour, thin: int, unit: float) -> Box:
    """Draws a line around a box, a little off it and with a dark edge; returns where the line runs."""
    gap = round(4 * unit)  # the line stands off the strokes
    left, top, wide, high = box[0] - gap, box[1] - gap, box[2] + 2 * gap, box[3] + 2 * gap
    corner = (left + wide, top + high)
    cv2.rectangle(picture, (left, top), corner, DARK, thin + 2 * max(1, round(unit)), cv2.LINE_AA)
    cv2.rectangle(picture, (left, top), corner, colour, thin, cv2.LINE_AA)
    return left, top, wide, high


def _panel(picture: Image, place: tuple[int, int], size: tuple[int, int], colour: Colour, radius: int) -> None:
    """Fills a rectangle with round corners."""
    (x, y), (wide, high) = place, size
    radius = min(radius, wide // 2, high // 2)
    cv2.rectangle(picture, (x + radius, y), (x + wide - radius, y + high), colour, -1)
    cv2.rectangle(picture, (x, y + radius), (x + wide, y + high - radius), colour, -1)
    for centre in ((x + radius, y + radius), (x + wide - radius, y + radius)):
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(picture, (centre[0], y + high - radius), radius, colour, -1, cv2.LINE_AA)


def draw_alarm(picture: Image, status: str, unit: float) -> Image:
    """Greys a picture as out of date, and writes what is wrong on a band across its top, as large as fits."""
    faded = cv2.convertScaleAbs(to_gray(picture), alpha=0.5)
    picture = np.asarray(cv2.cvtColor(faded, cv2.COLOR_GRAY2BGR), np.uint8)
    width = picture.shape[1]
    high = min(picture.shape[0], round(40 * unit))
    cv2.rectangle(picture, (0, 0), (width, high), _ALARM, -1)
    text = status.encode("ascii", "replace").decode()
    text, size = fit_text(text, width - round(24 * unit), 0.7 * unit, 0.42 * unit)
    (_, text_high), _ = cv2.getTextSize(text, FONT, size, stroke_of(size))
    write(picture, text, (round(12 * unit), (high + text_high) // 2), size, WHITE)
    return picture


def _notes(result: FrameResult, fps: float | None) -> list[tuple[str, Colour]]:
    """Returns the speed, and the age of the frame if it is old."""
    notes = [(f"{fps:.1f} fps", GREY)] if fps is not None else []
    if result.age_ms is not None and result.age_ms > OLD_MS:
        return [*notes, (f"{result.age_ms / 1000:.1f} s old", _AMBER)]
    return [*notes, (f"{result.latency_ms:.1f} ms", GREY)]


def _write_notes(bar: Image, notes: list[tuple[str, Colour]], unit: float) -> int:
    """Writes notes under each other at the right of the bar; returns the width that they take."""
    height, width = bar.shape[:2]
    margin, size = round(14 * unit), 0.46 * unit
    column = 0
    for row, (note, colour) in enumerate(notes, start=1):
        (wide, high), _ = cv2.getTextSize(note, FONT, size, stroke_of(size))
        middle = height * row // (len(notes) + 1) + (row * 2 - 1 - len(notes)) * round(3 * unit)
        write(bar, note, (width - margin - wide, middle + high // 2), size, colour)
        column = max(column, wide + 2 * margin)
    return column


def _write_text(bar: Image, result: FrameResult, room: int, unit: float, nothing: str) -> None:
    """Writes the numbers of the reading: its lines side by side, or in rows where that makes them larger."""
    margin = round(14 * unit)
    room -= margin
    if not result.digits:
        _write_rows(bar, [fit_text(nothing, room, 0.8 * unit, 0.7 * unit)], margin, GREY)
        return
    lines = [" ".join(line) for line in result.numbers]
    ways = []
    for count in range(1, min(_MOST_ROWS, len(lines)) + 1):
        each = -(-len(lines) // count)
        rows = ["   ".join(lines[i : i + each]) for i in range(0, len(lines), each)]
        fitted = [fit_text(row, room, min(1.5, 2.4 / len(rows)) * unit, 0.5 * unit) for row in rows]
        uncut = all(text == row for (text, _), row in zip(fitted, rows, strict=True))
        ways.append((uncut, min(size for _, size in fitted), fitted))
    _, size, fitted = max(ways, key=lambda way: way[:2])
    _write_rows(bar, [(text, size) for text, _ in fitted], margin, WHITE)


def _write_rows(bar: Image, rows: list[tuple[str, float]], margin: int, colour: Colour) -> None:
    height = bar.shape[0]
    for row, (text, size) in enumerate(rows):
        (_, high), _ = cv2.getTextSize("0", FONT, size, stroke_of(size))
        write(bar, text, (margin, height * (2 * row + 1) // (2 * len(rows)) + high // 2), size, colour)


def fit_text(text: str, room: int, largest: float, smallest: float) -> tuple[str, float]:
    """Makes text fit into `room` pixels: smaller down to a limit, then cut short."""
    wide = cv2.getTextSize(text, FONT, largest, stroke_of(largest))[0][0]
    size = largest if wide <= room else max(smallest, largest * room / wide)
    while len(text) > 3 and cv2.getTextSize(text, FONT, size, stroke_of(size))[0][0] > room:
        text = text.removesuffix("...")[:-1].rstrip() + "..."
    return text, size


def write(picture: Image, text: str, place: tuple[int, int], size: float, colour: Colour) -> None:
    """Writes a line of text; `place` is the left end of its base line."""
    cv2.putText(picture, text, place, FONT, size, colour, stroke_of(size), cv2.LINE_AA)


def stroke_of(size: float) -> int:
    """Thickness in pixels of the strokes of text of a size."""
    return max(1, round(1.6 * size))


@functools.lru_cache(maxsize=1024)
def _colour(track: int) -> Colour:
    """Returns the colour of a track: bright, and unlike that of its neighbours."""
    hue = int(_HUE_FIRST + _HUE_STEP * track) % 180
    blue, green, red = cv2.cvtColor(np.array([[[hue, 165, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return int(blue), int(green), int(red)


def _ink_on(colour: Colour) -> Colour:
    """Returns black or white, whichever reads better on a colour (luma of ITU-R BT.601)."""
    luma = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    return DARK if luma > 130 else WHITE
