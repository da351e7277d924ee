"""Reads UNIPEN's characters and words as strokes of a pen: of many hands and countries.

The set is train_r01_v07 (Guyon et al. 1994; Zenodo, doi:10.5281/zenodo.1195803): in `data/1a` to `data/1d` files
name characters by the numbers of their pen strokes, in `data/6` and `data/7` words; the strokes lie in `include`.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgits.dataset import Dataset
from edgits.errors import DataError
from edgits.images import Image
from edgits.train.drawn import SIDE, Points, Strokes, ink_strokes, polylines

# Folders of digits; of upper case, lower case and signs; of words.
_DIGITS, _MARKS, _WORDS = ("1a",), ("1b", "1c", "1d"), ("6", "7")
# Without those that are written like a digit: b q g 6 9, I J l i j 1, O o D Q 0, G 6, S s 5, Z z 2, B 8, A y Y 4, T 7,
# and brackets, slashes, dots and a caret, which may be a 1 or a part of anything.
_UNLIKE_DIGITS = frozenset("CEFHKLMNPRUVWXacdefhkmnprtuvwx+=*%&@#~<>?$")
# A mark whose ink spreads across its length by less than this share is a bare stroke, which may be a 1.
_BARE = 0.15
_SEGMENT = re.compile(r'\.SEGMENT\s+(?:CHARACTER|WORD)\s+(\S+)\s+\S+\s+"\\?([^"]+)"')
_SPAN = re.compile(r"(\d+)(?::(\d+))?(?:-(\d+)(?::(\d+))?)?")
_INCLUDED = 3  # files may include others so deep
# Some tablets tell a place so coarsely that a stroke is a staircase: with fewer steps a glyph is left out, and a stroke
# is smoothed over so many steps.
_LEAST_STEPS, _SMOOTHED = 16, 1.2
_HELD_BACK = 10  # one writer in so many
# Of whom words aren't taken: their largest files weren't at hand.
_NOT_AT_HAND = ("att", "hpp")
# Words: their height in pixels, and the pen's width as a share of that; they are no flatter; so many a file are taken.
_HIGH, _PEN, _FLATTEST, _OF_A_FILE = 40, (0.03, 0.14), 0.12, 3
# Ink in one piece that is so many times as wide as high is of several letters.
_JOINED = 1.5
_SEED = 1

# Whether the pen was down, and the points; those in the air are numbered, too, but not what has no point.
Part = tuple[bool, list[tuple[float, float]]]


@dataclass(frozen=True)
class Glyph:
    """A character or a word as it was written.

    Attributes:
        label: The character, or the word.
        strokes: Points (x, y), float64 (N, 2) each, y downwards, in the tablet's units.
    """

    label: str
    strokes: Strokes


def unipen_digits(folder: Path) -> tuple[Dataset, Dataset]:
    """Draws UNIPEN's digits with pens of any width: white ink on black, uint8 (N, 84, 84).

    Args:
        folder: Holds UNIPEN's `data` and `include`.

    Returns:
        Digits to train on, and those of a tenth of the writers, held back.

    Raises:
        DataError: There is nothing to read, or a file isn't in UNIPEN's format.
    """
    rng = np.random.default_rng(_SEED)
    found: dict[bool, list[tuple[Image, int]]] = {False: [], True: []}
    for file in _files(folder, _DIGITS):
        for glyph in read_glyphs(folder, file):
            if len(glyph.label) == 1 and glyph.label.isdecimal() and (strokes := _smooth(glyph.strokes)):
                found[_is_held_back(file)].append((ink_strokes(strokes, rng), int(glyph.label)))
    learnt, held = (
        Dataset(
            np.array([image for image, _ in digits], np.uint8),
            np.array([label for _, label in digits], np.int64),
            provenance={"source": "unipen"},
        )
        for digits in found.values()
    )
    return learnt, held


def unipen_marks(folder: Path, count: int) -> tuple[Image, Image]:
    """Draws UNIPEN's letters and signs that aren't written like digits, of each as many as there are, up to a limit.

    Args:
        folder: Holds UNIPEN's `data` and `include`.
        count: Of how many at most.

    Returns:
        Marks to train on, and those of a tenth of the writers, held back; uint8 (N, 84, 84), white ink on black.

    Raises:
        DataError: As of `unipen_digits`.
    """
    rng = np.random.default_rng(_SEED)
    limit = -(-count // len(_UNLIKE_DIGITS))
    left = {False: dict.fromkeys(_UNLIKE_DIGITS, limit), True: dict.fromkeys(_UNLIKE_DIGITS, -(-limit // _HELD_BACK))}
    images: dict[bool, list[Image]] = {False: [], True: []}
    files = _files(folder, _MARKS)
    for at in rng.permutation(len(files)).tolist():
        held = _is_held_back(files[at])
        if not any(left[held].values()):
            continue
        for glyph in read_glyphs(folder, files[at]):
            if left[held].get(glyph.label) and (strokes := _smooth(glyph.strokes)) and not _is_bare(strokes):
                left[held][glyph.label] -= 1
                images[held].append(ink_strokes(strokes, rng))
    learnt, kept = (np.array(drawn, np.uint8) for drawn in images.values())
    return learnt, kept


def unipen_words(folder: Path, count: int) -> list[Image]:
    """Draws words of UNIPEN's writers but for those held back, a few of each file.

    Args:
        folder: Holds UNIPEN's `data` and `include`.
        count: Of how many at most.

    Returns:
        uint8 (40, W) each, white ink on black, from rim to rim.

    Raises:
        DataError: As of `unipen_digits`.
    """
    rng = np.random.default_rng(_SEED)
    files = [
        file
        for file in _files(folder, _WORDS)
        if not _is_held_back(file) and not set(_NOT_AT_HAND).intersection(file.relative_to(folder).parts)
    ]
    words: list[Image] = []
    for at in rng.permutation(len(files)).tolist():
        found = [glyph for glyph in read_glyphs(folder, files[at]) if len(glyph.label) > 1 and glyph.label.isalpha()]
        for place in rng.permutation(len(found))[:_OF_A_FILE].tolist():
            strokes = _smooth(found[place].strokes)
            high = max((float(stroke[:, 1].max()) for stroke in strokes), default=0.0)
            if high > _FLATTEST:
                words.append(_word(strokes, high, rng))
        if len(words) >= count:
            break
    return words[:count]


def joined(words: Sequence[Image]) -> Image:
    """Returns the pieces of words in which letters are joined: what of their ink is in one piece and wider than high.

    Args:
        words: uint8 (H, W) each, white ink on black.

    Returns:
        uint8 (N, 84, 84).
    """
    pieces = []
    for word in words:
        count, labels, stats, _ = cv2.connectedComponentsWithStats((word > 60).view(np.uint8))
        for label in range(1, count):
            left, top, wide, high = stats[label, :4].tolist()
            if wide > _JOINED * high and high > word.shape[0] / 3:
                box = np.s_[top : top + high, left : left + wide]
                pieces.append(_squared(np.where(labels[box] == label, word[box], 0).astype(np.uint8)))
    return np.array(pieces, np.uint8).reshape(-1, SIDE, SIDE)


def _squared(piece: Image) -> Image:
    """Fits a piece of a word into an image as large as a drawn digit's."""
    scale = 0.9 * SIDE / max(piece.shape)
    piece = np.asarray(cv2.resize(piece, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    over = SIDE - piece.shape[0], SIDE - piece.shape[1]
    return np.pad(piece, [(room // 2, room - room // 2) for room in over])


def _word(strokes: Strokes, high: float, rng: np.random.Generator) -> Image:
    pen = max(1, round(_HIGH * np.exp(rng.uniform(*np.log(_PEN)))))
    scale = (_HIGH - pen - 1) / high
    wide = max(float(stroke[:, 0].max()) for stroke in strokes)
    ink = np.zeros((_HIGH, round(wide * scale) + pen + 1), np.uint8)
    return polylines(ink, [stroke * scale + pen / 2 for stroke in strokes], pen)


def _is_held_back(file: Path) -> bool:
    """Tells by its name, which is the same for a writer's digits and letters."""
    return zlib.crc32(file.stem.encode()) % _HELD_BACK == 0


def _is_bare(strokes: Strokes) -> bool:
    every = np.concatenate(strokes)
    across, along = np.sqrt(np.linalg.eigvalsh(np.cov(every.T)).clip(0))
    return bool(across < _BARE * along)


def _files(folder: Path, categories: tuple[str, ...]) -> list[Path]:
    files = sorted(file for name in categories for file in (folder / "data" / name).rglob("*") if file.is_file())
    if not files:
        raise DataError(
            f"'{folder}' holds no UNIPEN characters, no file in data/{categories[0]}; put train_r01_v07 there, of "
            "doi:10.5281/zenodo.1195803"
        )
    return files


def read_glyphs(folder: Path, file: Path) -> Iterator[Glyph]:
    """Reads the characters or words that a file of UNIPEN names.

    Args:
        folder: Holds `include`.
        file: Names them.

    Raises:
        DataError: A file can't be read, or what it says isn't UNIPEN.
    """
    reader = _Reader(folder)
    reader.read(file)
    parts = [part for part in reader.parts if part[1]]
    for where, label in reader.segments:
        if strokes := _named(parts, where, file):
            yield Glyph(label, strokes)


class _Reader:
    """Goes through a file and what it includes, and keeps the pen's strokes and what names them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._order: tuple[str, ...] = ("X", "Y")
        self.segments: list[tuple[str, str]] = []
        self.parts: list[Part] = []

    def read(self, file: Path, depth: int = 0) -> None:
        try:
            lines = file.read_text("latin-1").splitlines()
        except OSError as error:
            raise DataError(
                f"can't read '{file}': {error.strerror}; give UNIPEN's folder with all of its files"
            ) from error
        points: list[tuple[float, float]] | None = None
        for line in lines:
            words = line.split()
            if not words:
                continue
            keyword = words[0] if words[0].startswith(".") and not words[0][1:2].isdigit() else ""
            if keyword in (".PEN_DOWN", ".PEN_UP"):
                points = self._begin(keyword == ".PEN_DOWN")
                words = words[1:]
            elif keyword:
                points = None
                self._keyword(keyword, words, line, depth)
                continue
            if points is not None and words:
                try:
                    points.extend(self._points([float(word) for word in words]))
                except ValueError:
                    points = None  # prose: comments go on over lines

    def _begin(self, down: bool) -> list[tuple[float, float]]:
        self.parts.append((down, []))
        return self.parts[-1][1]

    def _keyword(self, keyword: str, words: list[str], line: str, depth: int) -> None:
        if keyword == ".COORD":
            self._order = tuple(word.upper() for word in words[1:])
        elif keyword == ".SEGMENT" and (found := _SEGMENT.match(line)):
            self.segments.append((found[1], found[2]))
        elif keyword == ".INCLUDE" and depth < _INCLUDED and len(words) > 1:
            included = self._folder / "include" / words[1]
            if included.suffix != ".doc" or included.is_file():
                self.read(included, depth + 1)

    def _points(self, values: list[float]) -> Iterator[tuple[float, float]]:
        """Takes x and y of the numbers of a line; y upwards becomes downwards."""
        x, y, each = self._order.index("X"), self._order.index("Y"), len(self._order)
        for start in range(0, len(values) - max(x, y), each):
            yield values[start + x], -values[start + y]


def _named(parts: Sequence[Part], where: str, file: Path) -> Strokes:
    """Returns the strokes that `where` names: numbers, spans `2-4`, of points in them `2:5-4:1`, with commas."""
    strokes: Strokes = []
    for text in where.split(","):
        span = _SPAN.fullmatch(text)
        if not span:
            raise DataError(f"'{file}' names strokes as {text[:40]!r}; UNIPEN has numbers and spans as 2-4")
        first, last = int(span[1]), int(span[3] or span[1])
        if last >= len(parts):
            raise DataError(f"'{file}' names stroke {last}, of {len(parts)}; give UNIPEN's files as they are")
        for at in range(first, last + 1):
            down, points = parts[at]
            begin = int(span[2]) if span[2] and at == first else 0
            end = int(span[4]) + 1 if span[4] and at == last else len(points)
            if down and points[begin:end]:
                strokes.append(np.array(points[begin:end]))
    return strokes


def _smooth(strokes: Strokes) -> Strokes:
    """Makes a glyph one high or wide and smooths the tablet's steps away; returns none if these are too coarse."""
    every = np.concatenate(strokes)
    size = float(np.ptp(every, axis=0).max())
    steps = np.diff(np.unique(every[:, 1]))
    step = float(steps.min()) if len(steps) else size
    if size == 0 or size < _LEAST_STEPS * step:
        return []
    low = every.min(axis=0)
    return [_smoothed((stroke - low) / size, max(_SMOOTHED * step / size, 0.01)) for stroke in strokes]


def _smoothed(stroke: Points, over: float) -> Points:
    """Averages a stroke's points along it by a bell curve of standard deviation `over`; its ends stay."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    if len(stroke) < 3 or along[-1] < over:
        return stroke
    places = np.linspace(0, along[-1], max(3, int(2 * along[-1] / over)))
    fine = np.stack([np.interp(places, along, axis) for axis in stroke.T], axis=1)
    apart = places[1]
    reach = int(np.ceil(3 * over / apart))
    bell = np.exp(-((np.arange(-reach, reach + 1) * apart / over) ** 2) / 2)
    # beyond an end a stroke goes on as its mirror through that end, so that the end stays where it is
    before = 2 * fine[0] - fine[1 : reach + 1][::-1]
    after = 2 * fine[-1] - fine[-reach - 1 : -1][::-1]
    longer = np.concatenate([before, fine, after])
    if len(before) < reach:
        return fine
    return np.stack([np.convolve(axis, bell / bell.sum(), "valid") for axis in longer.T], axis=1)
