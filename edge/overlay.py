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
# Digits lower than so many units have labels of their name alone, and so have those whose labels would cover others.
_LOW = 28
# Sizes of a label's digit and of its confidence, the room around both, and how far its box is from strokes, in units.
_NAME, _SHARE, _PAD, _GAP = 0.62, 0.36, 3, 4


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
    low = bool(result.digits) and median(digit.box[3] for digit in result.digits) < _LOW * unit
    labels = [_label(digit, picture.shape, unit) for digit in result.digits]
    for digit, label in zip(result.digits, labels, strict=True):
        _draw_digit(picture, digit, unit, brief=low or sum(_overlap(label, other) for other in labels) > 1)
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


def _label(digit: Digit, shape: tuple[int, ...], unit: float, *, brief: bool = False) -> Box:
    """Where a digit's label is: above its box, or below where the picture ends; if `brief` it is the name alone."""
    (wide, high), _ = cv2.getTextSize(str(digit.digit), FONT, _NAME * unit, stroke_of(_NAME * unit))
    pad, off = max(2, round(_PAD * unit)), round(_GAP * unit) + _line_width(digit, unit)
    if not brief:
        wide += cv2.getTextSize(_share(digit), FONT, _SHARE * unit, stroke_of(_SHARE * unit))[0][0] + pad
    wide, high = wide + 2 * pad, high + 2 * pad
    left, top, box_wide, box_high = digit.box
    x = int(np.clip(left + box_wide // 2 - wide // 2, 0, max(0, shape[1] - wide)))
    y = top - off - high
    return x, y if y >= 0 else min(top + box_high + off, shape[0] - high), wide, high


def _overlap(label: Box, other: Box) -> bool:
    """Tells whether two labels cover each other; one does itself."""
    (x, y, w, h), (left, top, wide, high) = label, other
    return x < left + wide and left < x + w and y < top + high and top < y + h


def _share(digit: Digit) -> str:
    return f"{100 * digit.confidence:.0f}"


def _line_width(digit: Digit, unit: float) -> int:
    """Full if the digit is stable, else thin."""
    return max(1, round((1 if digit.stable is False else 2) * unit))


def _draw_digit(picture: Image, digit: Digit, unit: float, *, brief: bool) -> None:
    """Draws the box and its label: full if stable, else thin; if `brief` the label is the name alone."""
    colour = _colour(digit.track or 0)
    settled = digit.stable is not False
    left, top, wide, high = draw_box(picture, digit.box, colour, _line_width(digit, unit), unit)
    label = x, y, _, label_high = _label(digit, picture.shape, unit, brief=brief)
    _panel(picture, label[:2], label[2:], colour if settled else DARK, max(2, round(4 * unit)))
    ink = _ink_on(colour) if settled else colour
    pad, name = max(2, round(_PAD * unit)), str(digit.digit)
    base = y + label_high - pad
    write(picture, name, (x + pad, base), _NAME * unit, ink)
    if brief:
        return
    name_wide = cv2.getTextSize(name, FONT, _NAME * unit, stroke_of(_NAME * unit))[0][0]
    write(picture, _share(digit), (x + 2 * pad + name_wide, base), _SHARE * unit, ink)
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
    gap = round(_GAP * unit)
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
