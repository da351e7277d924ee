"""Reads photos and single crops from files. Knows nothing of cameras or time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.overlay import draw
from edgits.edge.reader import Reader
from edgits.edge.results import Digit, FrameResult, Turn
from edgits.edge.sinks import write_image
from edgits.edge.view import upright
from edgits.errors import DataError
from edgits.files import make_folder
from edgits.images import Image, read_image, to_gray

_CROP_SIDE = 64
"""An image with no longer side than this, in pixels, may be the crop of one digit."""

# A photo cut out around one digit gets a rim of paper, this share of its longer side. The digit is at least so high,
# and the paper holds no more that might be one: of 192 handwritten digits cut out so 189 have no more, of 29 cuts from
# pictures without digits in which something was read 4. It is so sure: of 200 drawn digits 197 are.
_RIM, _CUT_OUT, _DOUBTFUL, _LEAST = 0.125, 0.5, 4, 0.6
# Ink and paper are two greys: the step between them makes up so much of the variance (Otsu 1979). Of 842 boxes of
# digits in real photos 99 % have 0.71 or more, 300 drawn digits 0.81, and none of 150 textures more than 0.67. In 300
# cuts from pictures without digits 12 are read; as many were at 0.7 for the confidence, without this.
_TWO_GREYS = 0.7

# A photo of whose marks no more than this share are digits may lie on its side, or upside down. A turn is believed that
# shows so many sure digits, so many of them that tell which way is up, that share of its marks at least, and in all so
# many times what is read as it lies. Of 207 real photos of two digits or more this turns none that lies right, nor any
# of 15 pictures without digits; turned before by a quarter, a half and three quarters, 136, 80 and 134 are set right,
# and four of all these are turned the wrong way.
_MOSTLY, _SURE, _LEAST_SURE, _LEAST_TELLING, _CLEARLY = 0.5, 0.9, 3, 2, 2.0
# They look the same upside down, and letters on their side look like them.
_SAME_TURNED = frozenset({0, 1, 8})
_TURNS = (Turn(90), Turn(180), Turn(270))


def read_photo(reader: Reader, image: Image, *, source: str) -> FrameResult:
    """Reads a photo, whichever way up it is.

    Where nothing is found, or one low digit, it may be cut out around one digit, so closely that there is no paper.

    Args:
        reader: Reads it.
        image: uint8 (H, W) or (H, W, 3) blue-green-red.
        source: Name for the result.

    Returns:
        What was read, and how the photo was turned for that.
    """
    result = _right_way_up(reader, image, reader.read(image, source=source))
    if result.digits and not _is_lone_and_low(result):
        return result
    digit = _of_crop(reader, image) if max(image.shape[:2]) <= _CROP_SIDE else _of_cut_out(reader, image)
    # a hole of a digit of a broad pen may be read as a 1
    if digit and all(digit.confidence > other.confidence for other in result.digits):
        return replace(result, digits=(digit,), lines=(1,))
    return result


def _is_lone_and_low(result: FrameResult) -> bool:
    return len(result.digits) == 1 and result.digits[0].box[3] < _CUT_OUT * result.height


def _right_way_up(reader: Reader, image: Image, result: FrameResult) -> FrameResult:
    """Returns what is read of a photo turned, if that is clearly more than what was read as it lies."""
    if not (result.digits or result.doubtful) or _share(result) > _MOSTLY:
        return result
    reads = [replace(reader.read(upright(image, turn), source=result.source), turn=turn) for turn in _TURNS]
    best = max(reads, key=_read_well)
    chosen = best if _is_clearly_better(best, result) else result
    return chosen.after(*(read for read in (result, *reads) if read is not chosen))


def _is_clearly_better(turned: FrameResult, lying: FrameResult) -> bool:
    """Tells whether a turn shows clearly more than there is as the photo lies: all digits do, and those that tell."""
    sure = [digit for digit in turned.digits if digit.confidence > _SURE]
    if len(sure) < _LEAST_SURE or len(_telling(sure)) < _LEAST_TELLING or _share(turned) < _MOSTLY:
        return False
    return all(_read_well(turned, which) >= _CLEARLY * _read_well(lying, which) for which in (tuple, _telling))


def _telling(digits: Sequence[Digit]) -> Sequence[Digit]:
    """Those that tell which way is up."""
    return [digit for digit in digits if digit.digit not in _SAME_TURNED]


def _share(result: FrameResult) -> float:
    """Of what may be a digit, the share that is believed one."""
    return len(result.digits) / max(len(result.digits) + len(result.doubtful), 1)


def _read_well(result: FrameResult, which: Callable[[Sequence[Digit]], Sequence[Digit]] = tuple) -> float:
    """How many digits were read, each by its confidence, and all by their share."""
    return sum(digit.confidence for digit in which(result.digits)) * _share(result)


def _of_crop(reader: Reader, image: Image) -> Digit | None:
    """Reads a small image as one digit that fills it."""
    (reading,) = reader.recognizer.read([image], threshold=reader.threshold)
    if reading.digit is None:
        return None
    return Digit(reading.digit, reading.confidence, (0, 0, image.shape[1], image.shape[0]))


def _of_cut_out(reader: Reader, image: Image) -> Digit | None:
    """Reads the one digit that fills a photo and touches its sides."""
    gray = to_gray(image)
    level, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = gray > level
    if _step(gray, light) < _TWO_GREYS:
        return None
    # most of it is paper, but for a digit of a broad pen
    sides = sorted((light, ~light), key=np.count_nonzero, reverse=True)
    found = (_of_framed(reader, image, np.median(image[side], axis=0).tolist()) for side in sides)
    return next((digit for digit in found if digit), None)


def _step(gray: Image, light: npt.NDArray[np.bool_]) -> float:
    """The share of the variance that the step between light and dark makes up, in [0, 1]; 0 of one grey."""
    share = light.mean()
    if not 0 < share < 1:
        return 0.0
    return float(share * (1 - share) * (gray[light].mean() - gray[~light].mean()) ** 2 / gray.var())


def _of_framed(reader: Reader, image: Image, paper: float | list[float]) -> Digit | None:
    """Reads the one digit of a photo with a rim of paper of this grey level, or colour."""
    height, width = image.shape[:2]
    rim = round(_RIM * max(height, width))
    framed = cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=paper)
    result = reader.read(np.asarray(framed, np.uint8), source="")
    if len(result.digits) != 1 or len(result.doubtful) > _DOUBTFUL:
        return None
    (digit,) = result.digits
    x, y, w, h = digit.box
    if h < _CUT_OUT * height or digit.confidence < _LEAST:
        return None
    left, top = max(x - rim, 0), max(y - rim, 0)
    right, bottom = min(x - rim + w, width), min(y - rim + h, height)
    return replace(digit, box=(left, top, right - left, bottom - top))


def read_photos(reader: Reader, paths: Sequence[Path]) -> list[FrameResult]:
    """Reads image files, all or none.

    Raises:
        DataError: One or more can't be read; the message names the first and counts the others.
    """
    results, problems = [], []
    for path in paths:
        try:
            image = read_image(path)
        except DataError as error:
            problems.append(str(error))
        else:
            results.append(read_photo(reader, image, source=str(path)))
    if problems:
        more = f" (and {len(problems) - 1} more of {len(paths)} images)" if problems[1:] else ""
        raise DataError(problems[0] + more)
    return results


def annotate(results: Sequence[FrameResult], folder: Path) -> list[Path]:
    """Writes each image, turned as it was read, with what was read drawn onto it, as PNG of the same name.

    Args:
        results: Their `source` is the image's path.
        folder: Is made. Images of one name get a number, and no original is written over.

    Returns:
        The files written, in the order of `results`.
    """
    make_folder(folder)
    originals = {Path(result.source).resolve() for result in results}
    written: list[Path] = []
    for result in results:
        source = Path(result.source)
        path = folder / f"{source.stem}.png"
        number = 2
        while path in written or path.resolve() in originals:
            path = folder / f"{source.stem}-{number}.png"
            number += 1
        write_image(path, draw(upright(read_image(source), result.turn), result))
        written.append(path)
    return written
