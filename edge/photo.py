"""Reads photos and single crops from files. Knows nothing of cameras or time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgits.edge.overlay import draw
from edgits.edge.reader import Reader
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import write_image
from edgits.errors import DataError
from edgits.files import make_folder
from edgits.images import Image, read_image

_CROP_SIDE = 64
"""An image with no longer side than this, in pixels, may be the crop of one digit."""


def read_photo(reader: Reader, image: Image, *, source: str) -> FrameResult:
    """Reads a photo; a small image in which nothing is found is taken as one digit that fills it.

    Args:
        reader: Reads it.
        image: uint8 (H, W) or (H, W, 3) blue-green-red.
        source: Name for the result.
    """
    result = reader.read(image, source=source)
    if result.digits or max(image.shape[:2]) > _CROP_SIDE:
        return result
    (reading,) = reader.recognizer.read([image], threshold=reader.threshold)
    if reading.digit is None:
        return result
    box = (0, 0, result.width, result.height)
    return replace(result, digits=(Digit(reading.digit, reading.confidence, box),), lines=(1,))


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
    """Writes each image with what was read drawn onto it, as PNG of the same name.

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
        write_image(path, draw(read_image(source), result))
        written.append(path)
    return written
