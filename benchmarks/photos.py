"""Reads made-up photos whose digits are known: `python -m edgits.benchmarks.photos DATA MODEL…`.

Digits of a data set are written with several pens on paper of several kinds, laid on tables, lit and photographed
badly. Real photos decide what a reader is worth; these tell two readers apart where there are too few of those.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import click
import cv2
import numpy as np
import numpy.typing as npt

from edgits.dataset import Dataset
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.images import Image
from edgits.train.data import load_dataset

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

# Width and height of a photo, in pixels: a webcam's, and what is left of a phone's after an app has shrunk it.
_SIZES = ((640, 480), (800, 600), (960, 1280), (1280, 720), (1600, 1200))
# Inks: colour blue-green-red, and share of the paper's light that they take away.
_INKS = (
    ((95, 90, 88), 0.55),  # pencil
    ((120, 55, 30), 0.8),  # blue
    ((50, 45, 45), 0.85),  # black
    ((50, 45, 165), 0.85),  # red
    ((35, 32, 32), 0.95),  # marker
)
# Widths of a stroke over the digit's height, of any ink; 0 leaves the writer's own.
_STROKES = (0.05, 0.05, 0.0, 0.08, 0.16)
# Without those that are written like a digit.
_SIGNS = "acdefhkmnpruvwxCEFHKMNPRUVWX+=?"


@dataclass(frozen=True)
class Photo:
    """A made-up photo.

    Attributes:
        image: uint8 (H, W, 3) blue-green-red.
        digits: What is written on it, in no particular order.
    """

    image: Image
    digits: tuple[int, ...]


def make(kind: str, data: Dataset, rng: Rng) -> Photo:
    """Makes a photo.

    Args:
        kind: One of `KINDS`.
        data: Digits as white ink on black, uint8 (N, h, w).
        rng: Source of all randomness.
    """
    width, height = _SIZES[rng.integers(len(_SIZES))]
    ink = np.zeros((height, width), np.uint8)
    digits = KINDS[kind](ink, data, rng)
    page = _paper(ink.shape, rng)
    colour, strength = _INKS[rng.integers(len(_INKS))]
    grain = 1 - rng.uniform(0, 0.3) * cv2.GaussianBlur(rng.random(ink.shape).astype(np.float32), (0, 0), 0.7)
    cover = (ink.astype(np.float32) / 255 * grain * strength)[..., None]
    page = page * (1 - cover) + np.array(colour, np.float32) * cover
    if rng.random() < 0.12:
        page = 265 - page  # chalk on a board
    return Photo(_photographed(page, rng), tuple(digits))


def _single(ink: Image, data: Dataset, rng: Rng) -> list[int]:
    """One digit, from a tenth to most of the frame's height."""
    tall = ink.shape[0] * np.exp(rng.uniform(np.log(0.1), np.log(0.7)))
    digit, label = _written(data, tall, _stroke(rng), rng)
    top, left = (rng.uniform(0.12, 0.88) * (room - own) for room, own in zip(ink.shape, digit.shape, strict=True))
    _stamp(ink, digit, round(top), round(left))
    return [label]


def _several(ink: Image, data: Dataset, rng: Rng) -> list[int]:
    """Lines of numbers, a word here and there."""
    return _lines(ink, data, rng, gap=(0.12, 0.6), words=0.25)


def _touching(ink: Image, data: Dataset, rng: Rng) -> list[int]:
    """Lines of numbers whose digits mostly touch."""
    return _lines(ink, data, rng, gap=(-0.08, 0.03), words=0.0)


def _nothing(ink: Image, data: Dataset, rng: Rng) -> list[int]:  # noqa: ARG001 - the kinds take the same arguments
    """Words and scribbles."""
    height, width = ink.shape
    for _ in range(rng.integers(0, 6)):
        tall = height * rng.uniform(0.04, 0.15)
        _word(ink, round(rng.uniform(0.15, 0.85) * height), round(rng.uniform(0.05, 0.6) * width), tall, rng)
    for _ in range(rng.integers(0, 3)):
        middle = rng.uniform(0.2, 0.8, 2) * (width, height)
        points = middle + np.cumsum(rng.normal(0, 0.05 * height, (12, 2)), axis=0)
        cv2.polylines(ink, [points.astype(np.int32)], False, 255, int(rng.integers(2, 8)), cv2.LINE_AA)
    return []


KINDS: dict[str, Callable[[Image, Dataset, Rng], list[int]]] = {
    "single": _single,
    "several": _several,
    "touching": _touching,
    "nothing": _nothing,
}
"""What a photo shows."""


def _lines(ink: Image, data: Dataset, rng: Rng, *, gap: tuple[float, float], words: float) -> list[int]:
    """Writes lines of numbers.

    Args:
        ink: What is written to.
        data: The digits.
        rng: Source of all randomness.
        gap: Least and greatest gap between digits, in heights; where strokes come nearest.
        words: Share of the lines that begin with a word.
    """
    height, width = ink.shape
    count = int(rng.integers(1, 7))
    pitch = 0.8 * height / max(count, 2)
    tall = min(pitch * rng.uniform(0.35, 0.7), 0.14 * width)
    stroke, found = _stroke(rng), []
    for line in range(count):
        foot = 0.1 * height + pitch * (line + 0.5) + tall / 2
        left = round(rng.uniform(0.08, 0.3) * width)
        if rng.random() < words:
            left = _word(ink, round(foot), left, tall, rng) + round(0.8 * tall)
        before: Image | None = None
        for _ in range(rng.integers(1, 8)):
            digit, label = _written(data, tall * rng.uniform(0.85, 1.1), stroke, rng)
            top = round(foot - digit.shape[0] + rng.normal(0, 0.04) * tall)
            if before is None:
                at = left
            else:
                at = _nearest(before, top, digit) + max(round(rng.uniform(*gap) * tall), -digit.shape[1] // 2)
            if at + digit.shape[1] > 0.95 * width:
                break
            alone = np.zeros_like(ink)
            _stamp(alone, digit, top, at)
            np.maximum(ink, alone, out=ink)
            before = alone
            found.append(label)
    return found


def _nearest(before: Image, top: int, digit: Image) -> int:
    """Returns where a digit's left is, if its strokes just touch those of the digit before."""
    rows = before[max(top, 0) : top + digit.shape[0]]
    ends = np.where(rows.max(axis=1) > 128, rows.shape[1] - (rows[:, ::-1] > 128).argmax(axis=1), 0)
    starts = np.where(digit.max(axis=1) > 128, (digit > 128).argmax(axis=1), digit.shape[1])
    nearest = int((ends - starts[: len(ends)]).max())
    # nested at most by a third: two strokes on one another are one
    return max(nearest, int(ends.max()) - int(digit.shape[1]) // 3)


def _stroke(rng: Rng) -> float:
    return _STROKES[rng.integers(len(_STROKES))] * rng.uniform(0.7, 1.3)


def _written(data: Dataset, tall: float, stroke: float, rng: Rng) -> tuple[Image, int]:
    """Writes one of the digits: uint8 (h, w) with crisp edges, and its label."""
    index = int(rng.integers(len(data)))
    small = data.images[index]
    left, top, wide, high = cv2.boundingRect((small > 60).view(np.uint8))
    small = np.pad(small[top : top + high, left : left + wide], 2)
    zoom = max(tall, 8) / high
    size = max(4, round(small.shape[1] * zoom * rng.uniform(0.9, 1.1))), max(8, round(small.shape[0] * zoom))
    large = cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), max(0.4 * zoom, 0.3))
    inside = (large > 110).view(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    signed = depth - beyond
    if stroke:
        own = 2 * float(np.percentile(depth[inside > 0], 85)) if inside.any() else 1.0
        # a pen's width is that of all its strokes; what is thinner than its own middle would break
        signed = signed + np.clip((stroke * tall - own) / 2, -0.6 * own / 2, 0.06 * tall)
    drawn = np.clip(255 * (signed + 0.5), 0, 255).astype(np.uint8)
    x, y, w, h = cv2.boundingRect((drawn > 60).view(np.uint8))
    return drawn[y : y + h, x : x + w], int(data.labels[index])


def _word(ink: Image, foot: int, left: int, tall: float, rng: Rng) -> int:
    """Writes a word; returns where it ends."""
    text = "".join(rng.choice(list(_SIGNS), rng.integers(2, 6)))
    font, thick = int(rng.choice([0, 4, 6, 7])), max(1, round(0.06 * tall))
    scale = cv2.getFontScaleFromHeight(font, max(8, round(0.8 * tall)), thick)
    cv2.putText(ink, text, (left, foot), font, scale, 255, thick, cv2.LINE_AA)
    return left + int(cv2.getTextSize(text, font, scale, thick)[0][0])


def _stamp(ink: Image, digit: Image, top: int, left: int) -> None:
    high, wide = min(digit.shape[0], ink.shape[0] - top), min(digit.shape[1], ink.shape[1] - left)
    up, start = max(0, -top), max(0, -left)
    part = ink[top + up : top + high, left + start : left + wide]
    np.maximum(part, digit[up:high, start:wide], out=part)


def _paper(shape: tuple[int, ...], rng: Rng) -> Floats:
    """Makes plain, ruled, squared or crumpled paper: float32 (H, W, 3)."""
    height, width = shape
    page = np.full((height, width, 3), rng.uniform(200, 245), np.float32) * rng.uniform(0.96, 1, 3).astype(np.float32)
    page += cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 1.5)[..., None] * rng.uniform(0, 12)
    if rng.random() < 0.25:
        waves = cv2.resize(
            rng.normal(0, 1, (12, 16)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        page += 6 * waves[..., None]
    pick, step = rng.random(), height * rng.uniform(0.03, 0.12)
    printed = np.array(1 - rng.uniform(0.05, 0.35) * np.array([0.3, 0.7, 1.0]), np.float32)
    thick = max(1, height // 500)
    if pick < 0.45:
        for at in np.arange(rng.uniform(0, step), height, step).astype(int):
            page[at : at + thick] *= printed
    if pick < 0.2:
        for at in np.arange(rng.uniform(0, step), width, step).astype(int):
            page[:, at : at + thick] *= printed
    return page


def _photographed(page: Floats, rng: Rng) -> Image:
    """Lays a page on a table and looks at it through a camera."""
    height, width = page.shape[:2]
    if rng.random() < 0.5:
        fine = rng.normal(0, 1, (height // 2, 12)).astype(np.float32)
        table = cv2.resize(fine, (width, height))[..., None] * rng.uniform(2, 9) + rng.uniform(40, 140, 3)
        page = _tilted(page, np.asarray(table, np.float32), rng)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5
    light = rng.uniform(0.35, 1.05) * (1 + rng.uniform(-0.5, 0.5) * x + rng.uniform(-0.5, 0.5) * y)
    if rng.random() < 0.35:
        angle = rng.uniform(0, 2 * np.pi)
        along = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.4, 0.4)
        light *= 1 - rng.uniform(0.1, 0.55) / (1 + np.exp(-along * rng.uniform(15, 300)))
    seen = page * light[..., None]
    if rng.random() < 0.7:
        seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.3, 1 + 0.002 * height))
    seen = seen + rng.normal(0, rng.uniform(0.5, 8), seen.shape).astype(np.float32)
    quality = int(rng.integers(40, 95))
    _, data = cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _tilted(page: Floats, table: Floats, rng: Rng) -> Floats:
    height, width = page.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    margin = rng.uniform(-0.02, 0.12, (4, 2)) * np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * (width, height)
    matrix = cv2.getPerspectiveTransform(corners, (corners + margin).astype(np.float32))
    cover = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (width, height))[..., None]
    laid = cv2.warpPerspective(page, matrix, (width, height), flags=cv2.INTER_AREA)
    return np.asarray(laid * cover + table * (1 - cover), np.float32)


@dataclass(frozen=True)
class Score:
    """What a reader read of a kind of photos; each photo's digits count as a bag.

    Attributes:
        f1: Harmonic mean of precision and recall, in [0, 1]; 0 where there are no digits.
        digits: Number of digits there are.
        missed: Of them not read.
        false: Digits read that aren't there.
    """

    f1: float
    digits: int
    missed: int
    false: int


def score(reader: Reader, kind: str, data: Dataset, *, count: int, seed: int) -> Score:
    """Reads photos of a kind, made from `seed`."""
    total = right = read = 0
    for number in range(count):
        photo = make(kind, data, np.random.default_rng((seed, number, list(KINDS).index(kind))))
        want = Counter(photo.digits)
        got = Counter(digit.digit for digit in reader.read(photo.image, source=kind).digits)
        total, read, right = total + want.total(), read + got.total(), right + (want & got).total()
    return Score(2 * right / max(total + read, 1), total, total - right, read - right)


@click.command()
@click.argument("data")
@click.argument("models", nargs=-1, required=True)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Photos of each kind.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only these kinds.")
def main(data: str, models: tuple[str, ...], count: int, seed: int, kinds: tuple[str, ...]) -> None:
    """Reads made-up photos of the digits in DATA with each MODEL."""
    digits = load_dataset(data)
    click.echo(f"{'photos':10s} {'model':12s} {'F1':>6s}  digits  missed  false")
    for kind in kinds or KINDS:
        for model in models:
            found = score(Reader(Recognizer.load(model)), kind, digits, count=count, seed=seed)
            f1 = f"{found.f1:.3f}" if found.digits else ""
            click.echo(f"{kind:10s} {model:12s} {f1:>6s} {found.digits:7d} {found.missed:7d} {found.false:6d}")


if __name__ == "__main__":
    main()
