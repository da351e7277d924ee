"""Draws the pages of the built-in scene: a sheet with handwritten digits on a table. Knows no camera and no light.

The handwriting, and where it is from, is in ``scene_data/``.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgits.images import Image

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

WORLD = 1.5
"""The drawn part of the table, in widths and heights of a frame; the camera looks at its middle."""

_SHEET = (0.92, 0.9)  # of the sheet, in widths and heights of a frame
_MARGIN = 0.11  # part of the frame that stays free of writing on each side, so that the view may move


@dataclass(frozen=True)
class Pen:
    """A writing tool: colour blue-green-red, how much of the paper it covers, graininess, whether strokes are thick."""

    colour: tuple[int, int, int]
    cover: float
    grain: float
    thick: bool = False


PENS = (
    Pen((92, 88, 86), 0.85, 0.35),  # pencil
    Pen((130, 58, 32), 0.92, 0.08),  # blue pen
    Pen((52, 44, 168), 0.92, 0.08),  # red pen
    Pen((44, 40, 40), 0.95, 0.05),  # black pen
    Pen((34, 30, 30), 0.98, 0.0, thick=True),  # black marker
)
PAPERS = ("plain", "ruled", "squared")


@dataclass(frozen=True)
class Page:
    """A page on its table.

    Attributes:
        world: uint8 (1.5 H, 1.5 W, 3), blue-green-red, for frames of H×W.
        digits: In reading order: digit, and float (N, 2) outline of its ink in pixels of `world`.
        text: The digits, a newline between lines.
    """

    world: Image
    digits: tuple[tuple[int, Floats], ...]
    text: str


@functools.cache
def handwriting() -> dict[int, list[Image]]:
    """Loads the handwriting: for each digit, uint8 (48, w) masks, 255 where there is ink, thin strokes first."""
    with np.load(Path(__file__).with_name("scene_data") / "digits.npz") as data:
        labels, widths, strip = data["labels"], data["widths"], data["alpha"]
    pieces = np.split(strip, np.cumsum(widths.astype(int))[:-1], axis=1)
    return {
        digit: [piece for piece, label in zip(pieces, labels, strict=True) if label == digit] for digit in range(10)
    }


@functools.lru_cache(maxsize=2)
def draw_page(seed: int, number: int, width: int, height: int) -> Page:
    """Draws a page.

    Args:
        seed: The scene's seed.
        number: Of the page, from 0.
        width: Of a frame in pixels.
        height: Of a frame in pixels.
    """
    rng = np.random.default_rng((seed, number, 0))
    lines = _write(rng)
    pitch = height * (1 - 2 * _MARGIN) / max(2, len(lines))
    tall = min(pitch * rng.uniform(0.5, 0.62), height * 0.16, width * 0.105)
    paper = PAPERS[rng.integers(len(PAPERS))]
    pen = PENS[rng.integers(len(PENS))]
    top = height * (WORLD / 2 - 0.5 + _MARGIN)
    free = height * (1 - 2 * _MARGIN) - pitch * len(lines)
    baselines = [top + free * rng.uniform(0.2, 0.8) + pitch * (i + 0.5) + tall / 2 for i in range(len(lines))]
    world = _table(rng, width, height)
    _lay_sheet(world, rng, paper, pitch / 2, baselines[0], width, height)
    ink = np.zeros(world.shape[:2], np.uint8)
    digits: list[tuple[int, Floats]] = []
    for line, baseline in zip(lines, baselines, strict=True):
        digits += _write_line(ink, rng, line, baseline, tall, pen, width)
    return Page(_blend(world, ink, pen, rng), tuple(digits), "\n".join("".join(map(str, line)) for line in lines))


def _write(rng: Rng) -> list[list[int]]:
    return [rng.integers(0, 10, rng.integers(1, 7)).tolist() for _ in range(rng.integers(1, 4))]


def _write_line(
    ink: Image, rng: Rng, line: list[int], baseline: float, tall: float, pen: Pen, width: int
) -> list[tuple[int, Floats]]:
    """Writes a line of digits into the ink mask; returns each digit with its outline."""
    masks = [_digit(rng, digit, tall, pen) for digit in line]
    gaps = rng.uniform(0.24, 0.5, len(line)) * tall
    room = width * (1 - 2 * _MARGIN)
    length = sum(mask.shape[1] for mask in masks) + gaps[1:].sum()
    x = width * (WORLD / 2 - 0.5 + _MARGIN) + max(0.0, room - length) * rng.uniform(0.05, 0.95)
    climb = rng.uniform(-0.02, 0.02)
    start = x
    written: list[tuple[int, Floats]] = []
    for digit, mask, gap in zip(line, masks, gaps, strict=True):
        high, wide = mask.shape
        left = round(x)
        foot = baseline - climb * (x - start) + rng.uniform(-0.04, 0.04) * tall
        above = round(foot) - high
        part = ink[above : above + high, left : left + wide]
        np.maximum(part, mask, out=part)
        rows, columns = np.nonzero(mask > 100)
        points = np.stack([columns + left, rows + above], axis=1).astype(np.float32)
        written.append((digit, np.asarray(cv2.convexHull(points)[:, 0], np.float64)))
        x += wide + gap
    return written


def _digit(rng: Rng, digit: int, tall: float, pen: Pen) -> Image:
    """Takes one of the real digits and varies it as a hand does: size, slant, turn."""
    kept = handwriting()[digit]
    kept = kept[len(kept) // 2 :] if pen.thick else kept[: -(len(kept) // 4)]
    mask = kept[rng.integers(len(kept))]
    scale = tall * rng.uniform(0.9, 1.1) / mask.shape[0]
    slant, turn, wider = rng.uniform(-0.12, 0.12), rng.uniform(-0.08, 0.08), rng.uniform(0.92, 1.1)
    shape = np.array([(wider, -slant), (0, 1)]) @ np.array(
        [(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))]
    )
    high, wide = mask.shape
    corners = np.array([(0, 0), (wide, 0), (wide, high), (0, high)]) @ (scale * shape).T
    low = corners.min(axis=0) - 2
    size = np.ceil(corners.max(axis=0) - low + 2).astype(int)
    if scale < 0.7:  # linear interpolation would skip pixels of the thin strokes
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.35 / scale), np.uint8)
    matrix = np.column_stack([scale * shape, -low])
    drawn = cv2.warpAffine(mask, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    rows, columns = np.nonzero(drawn > 60)
    return np.asarray(drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], np.uint8)


def _table(rng: Rng, width: int, height: int) -> Image:
    """A dark table top with the grain of wood along it."""
    size = (round(WORLD * width), round(WORLD * height))
    grain = cv2.resize(rng.normal(0, 1, (90, 5)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.normal(0, 1, (size[1] // 2, 12)).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    colour = np.array([(48, 68, 92), (70, 72, 74), (40, 52, 70), (84, 74, 62)][rng.integers(4)], np.float32)
    wood = colour * (1 + 0.07 * grain + 0.04 * fine)[:, :, None]
    return np.asarray(np.clip(wood, 8, 150), np.uint8)


def _lay_sheet(world: Image, rng: Rng, paper: str, pitch: float, baseline: float, width: int, height: int) -> None:
    """Puts a sheet on the table, with the shadow of its edge and its printed lines, `pitch` pixels apart."""
    half = np.array([_SHEET[0] * width, _SHEET[1] * height]) / 2
    centre = np.array([WORLD * width, WORLD * height]) / 2
    (left, top), (right, bottom) = np.round(centre - half).astype(int), np.round(centre + half).astype(int)
    thick = max(2, round(height / 160))
    shade = np.full(world.shape[:2], 255, np.uint8)
    shade[top + thick : bottom + 2 * thick, left + thick : right + 2 * thick] = 110
    soft = cv2.GaussianBlur(shade, (0, 0), thick)
    cv2.multiply(world, cv2.merge([soft] * 3), dst=world, scale=1 / 255)
    rough = cv2.GaussianBlur(rng.normal(0, 1, (bottom - top, right - left)).astype(np.float32), (0, 0), 1.2)
    waves = cv2.resize(
        rng.normal(0, 1, (4, 5)).astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_CUBIC
    )
    colour = np.array([(238, 240, 241), (226, 238, 243), (240, 238, 234)][rng.integers(3)], np.float32)
    sheet = colour + (5 * rough + 2.5 * waves)[:, :, None]
    _print_lines(sheet, paper, pitch, baseline - top)
    world[top:bottom, left:right] = np.clip(sheet, 0, 255).astype(np.uint8)


def _print_lines(sheet: npt.NDArray[np.float32], paper: str, pitch: float, baseline: float) -> None:
    if paper == "plain":
        return
    step = pitch if paper == "ruled" else pitch / 2
    thick = max(1, round(sheet.shape[0] / 400))
    printed = np.array((0.93, 0.86, 0.83) if paper == "ruled" else (0.95, 0.91, 0.89), np.float32)
    for y in np.arange(baseline % step, sheet.shape[0] - thick, step).round().astype(int):
        sheet[y : y + thick] *= printed
    if paper == "squared":
        for x in np.arange(step / 2, sheet.shape[1] - thick, step).round().astype(int):
            sheet[:, x : x + thick] *= printed


def _blend(world: Image, ink: Image, pen: Pen, rng: Rng) -> Image:
    """Lays the ink over the paper; a grainy pen leaves out some of it."""
    rows, columns = np.nonzero(ink)
    area = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    cover = ink[area].astype(np.float32) * (pen.cover / 255)
    grains = cv2.GaussianBlur(rng.uniform(0, 2, cover.shape).astype(np.float32), (0, 0), 0.7)
    cover = np.clip(cover * (1 - pen.grain * grains), 0, 1)[:, :, None]
    part = world[area]
    part[:] = np.round(part * (1 - cover) + np.array(pen.colour, np.float32) * cover).astype(np.uint8)
    return world
