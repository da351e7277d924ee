"""Reads labelled images from a folder, IDX, npz or csv, just as they were stored.

Each reader checks what it is given before it allocates for it. It doesn't know which labels
are wanted or what size the images shall have: `edgits.train.data` does.
"""

import csv
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.dataset import DIGITS
from edgits.errors import DataError
from edgits.images import SUFFIXES, Image, read_image, to_gray
from edgits.limits import BYTES
from edgits.quiet import quiet
from edgits.train.layout import shrink

_UBYTE = 0x08  # the IDX format's code for unsigned bytes


@dataclass(frozen=True)
class Stored:
    """Labelled images as a source holds them.

    Attributes:
        kind: ``"folder"``, ``"idx"``, ``"npz"`` or ``"csv"``.
        images: uint8 (H, W) each, grey; sizes may differ.
        labels: One label an image; any integer.
        left_out: Images that were not read because their place has no digit's name: place → count.
        unreadable: ``"file: reason"`` of each file that holds no image.
    """

    kind: str
    images: npt.NDArray[np.uint8] | list[Image]
    labels: list[int]
    left_out: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read_folder(folder: Path, *, longest: int) -> Stored:
    """Reads a folder with subfolders 0–9.

    Args:
        folder: Images lie anywhere below ``0`` … ``9``; those elsewhere are counted, not read.
        longest: Images with a longer side are shrunk to it, so that photos fit into memory.
    """
    images, labels, unreadable = [], [], []
    for digit in DIGITS:
        for path in _visible_files(folder / digit):
            try:
                with quiet():  # the report names damaged files better than OpenCV does
                    images.append(shrink(to_gray(read_image(path)), longest))
                labels.append(int(digit))
            except DataError as error:
                unreadable.append(f"{path.relative_to(folder)}: {_reason(error, path)}")
    places = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in DIGITS)
    left_out = {f"folder '{place.name}'": _count_images(_visible_files(place)) for place in places}
    left_out["no folder"] = _count_images(path for path in folder.iterdir() if path.is_file())
    return Stored("folder", images, labels, {place: count for place, count in left_out.items() if count}, unreadable)


def _visible_files(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _count_images(paths: Iterator[Path]) -> int:
    return sum(path.suffix.lower() in SUFFIXES for path in paths)


def _reason(error: DataError, path: Path) -> str:
    """Shortens ``'path' is empty (0 bytes); give an image`` to what follows the name."""
    return str(error).split(";")[0].replace(f"'{path}' ", "")


def read_idx_pair(images: Path, labels: Path) -> Stored:
    """Reads an IDX file of images and the one of their labels, plain or gzip."""
    pictures, numbers = _read_idx(images, dimensions=3), _read_idx(labels, dimensions=1)
    if len(pictures) != len(numbers):
        raise DataError(
            f"'{images}' holds {len(pictures)} images, '{labels}' {len(numbers)} labels; give a pair that "
            "belongs together"
        )
    return Stored("idx", pictures, numbers.tolist())


def find_idx_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Finds the IDX pairs (images, labels) in a folder; where a file is there twice, the plain one counts."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name.endswith(".gz")):
        if re.search(r"images?.*idx3", path.name, re.IGNORECASE) and path.is_file():
            found.setdefault(path.name.removesuffix(".gz"), path)
    return [idx_pair(path) for _, path in sorted(found.items())]


def is_idx(path: Path) -> bool:
    """Tells by its content whether a file, plain or gzip, is in the IDX format."""
    head = _content(path, 4)
    return len(head) == 4 and head[:2] == b"\0\0" and head[3] in (1, 3)


def idx_pair(path: Path) -> tuple[Path, Path]:
    """Returns the paths of the images and labels of an IDX pair, either of which is given."""
    wanted = "labels" if _content(path, 4)[3:] == b"\x03" else "images"
    name = path.name.removesuffix(".gz")
    for image, label in (("image", "label"), ("idx3", "idx1")):
        name = name.replace(image, label) if wanted == "labels" else name.replace(label, image)
    for partner in (path.with_name(name), path.with_name(f"{name}.gz")):
        if partner.is_file() and partner.name.removesuffix(".gz") != path.name.removesuffix(".gz"):
            return (path, partner) if wanted == "labels" else (partner, path)
    raise DataError(f"'{path}' has no {wanted} beside it: no '{name}' or '{name}.gz' found; put the pair in one folder")


def _read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    start = 4 + 4 * dimensions
    head = _content(path, start)
    magic = bytes([0, 0, _UBYTE, dimensions])
    if head[:4] != magic:
        raise DataError(f"'{path}' starts with {head[:4].hex()}, an IDX file of this kind with {magic.hex()}")
    if len(head) < start:
        raise DataError(f"'{path}' is cut short: its header has {start} bytes, {len(head)} found; copy it again")
    shape = tuple(int(side) for side in np.frombuffer(head, ">u4", dimensions, offset=4))
    if 0 in shape:
        raise DataError(f"'{path}' holds no data: its header says {shape}; give a file with images")
    expected = start + math.prod(shape)
    _check_bytes(path, expected)
    data = _content(path, expected + 1)
    if len(data) != expected:
        problem = "is cut short" if len(data) < expected else "is too long"
        raise DataError(
            f"'{path}' {problem}: {expected} bytes expected for {shape}, "
            f"{len(data) if len(data) < expected else 'more'} found; copy it again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _content(path: Path, limit: int) -> bytes:
    """Returns at most the first `limit` bytes; of a gzip file, as far as it is intact, what was packed."""
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return file.read(min(limit, path.stat().st_size))
            file.seek(0)
            return zlib.decompressobj(wbits=31).decompress(file.read(), min(limit, sys.maxsize))
    except zlib.error as error:
        raise DataError(f"'{path}' is a damaged gzip file: {error}; copy it again") from error
    except OSError as error:
        raise DataError(f"can't read '{path}': {error.strerror}; give the path of a data file") from error


def read_npz(path: Path) -> Stored:
    """Reads an npz with `images` (N, H, W) or (N, H, W, 1 | 3 | 4) and `labels` (N,), also called `label`."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"'{path}' is no npz archive; save it with numpy.savez(images=…, labels=…)")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            names = archive.files
            labels_name = "labels" if "labels" in names else "label"
            if missing := [name for name in ("images", labels_name) if name not in names]:
                wanted = " and ".join(f"'{name.removesuffix('s')}s'" for name in missing)
                raise DataError(f"'{path}' has no {wanted}, only {_one_line(', '.join(names)) or 'nothing'}; add it")
            _check_bytes(path, sum(member.file_size for member in archive.zip.infolist()))
            images, labels = archive["images"], archive[labels_name]
    except DataError:
        raise
    except Exception as error:  # a damaged archive fails in zipfile, zlib, ast or NumPy, which share no base
        raise DataError(f"can't read '{path}': {_line(error)}; save it with numpy.savez(images=…, labels=…)") from error
    for name, member in (("images", images), (labels_name, labels)):
        if not isinstance(member, np.ndarray):  # NumPy gives what is no array as bytes
            raise DataError(f"'{name}' in '{path}' is no array; save it with numpy.savez(images=…, labels=…)")
    if images.ndim not in (3, 4) or 0 in images.shape or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
        raise DataError(f"'images' in '{path}' have shape {images.shape}; give (N, H, W) or (N, H, W, 3)")
    if labels.shape != (len(images),) or not _integral(labels):
        raise DataError(
            f"'{labels_name}' in '{path}' are {labels.dtype} {labels.shape}; "
            f"give {len(images)} whole numbers, one an image"
        )
    return Stored("npz", _gray_bytes(images, path), [int(label) for label in labels])


def _check_bytes(path: Path, declared: int) -> None:
    """Refuses what would unpack to more than the memory should take."""
    if declared > BYTES.amount():
        raise DataError(
            f"'{path}' declares {declared / 1e9:.1f} GB of data, more than {BYTES.amount() / 1e9:g}; give less at "
            f"once, or raise the limit: {BYTES.variable}={math.ceil(declared / 1e9)}"
        )


def _integral(values: npt.NDArray[Any]) -> bool:
    if values.dtype.kind == "f":
        return bool(np.all(np.isfinite(values)) and np.all(values == np.round(values)))
    return values.dtype.kind in "iu"


def _gray_bytes(images: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    """Makes pixels of any kind grey bytes; a largest value of 1 means that they go from 0 to 1."""
    if images.dtype.kind not in "biuf":
        raise DataError(f"'images' in '{path}' are {images.dtype}; give numbers from 0 to 255 or 0 to 1")
    low, high = float(images.min()), float(images.max())
    if not 0 <= low <= high <= 255:
        raise DataError(f"'images' in '{path}' go from {low:g} to {high:g}; give numbers from 0 to 255 or 0 to 1")
    if images.dtype != np.uint8 or high <= 1:
        images = np.round(images * (255.0 if high <= 1 else 1.0)).astype(np.uint8)
    if images.ndim == 3:
        return images
    # an array's colours are red, green, blue (Pillow, Matplotlib, Keras); OpenCV's the reverse
    channels = [2, 1, 0] if images.shape[3] >= 3 else [0]
    return np.stack([to_gray(np.ascontiguousarray(image[:, :, channels])) for image in images])


def read_csv(path: Path) -> Stored:
    """Reads a csv as Kaggle's Digit Recognizer has it: a header with `label`, then a square image's pixels a row."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            if "label" not in header:
                raise DataError(
                    f"'{path}' has no column 'label' in its first line ({_start(header)}); give label,pixel0,…"
                )
            side = math.isqrt(len(header) - 1)
            if side == 0 or side * side != len(header) - 1:
                raise DataError(f"'{path}' has {len(header) - 1} pixel columns; a square number is needed, such as 784")
            labels, images = _csv_rows(rows, header, path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is no csv text: {_line(error)}; give label,pixel0,… in UTF-8") from error
    except OSError as error:
        raise DataError(f"can't read '{path}': {error.strerror}; give the path of a csv file") from error
    return Stored("csv", np.frombuffer(b"".join(images), np.uint8).reshape(-1, side, side), labels)


def _csv_rows(rows: Any, header: list[str], path: Path) -> tuple[list[int], list[bytes]]:
    where = header.index("label")
    names = header[:where] + header[where + 1 :]
    labels, images = [], []
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"'{path}', row {rows.line_num}: {len(row)} cells, the header has {len(header)}; mend the row"
            )
        labels.append(_number(row[where], path, rows.line_num, "label", limit=None))
        pixels = row[:where] + row[where + 1 :]
        try:
            images.append(bytes(map(int, pixels)))
        except ValueError:
            for name, cell in zip(names, pixels, strict=True):
                _number(cell, path, rows.line_num, name, limit=255)
    return labels, images


def _number(cell: str, path: Path, row: int, column: str, *, limit: int | None) -> int:
    """Returns a cell's whole number, from 0 to `limit` where there is one, or says where the cell is."""
    try:
        value = int(cell)
    except ValueError:
        value = None
    if value is None or (limit is not None and not 0 <= value <= limit):
        wanted = "a whole number" if limit is None else f"a whole number from 0 to {limit}"
        raise DataError(f"'{path}', row {row}, column {column!r}: found {cell[:20]!r}; give {wanted}")
    return value


def _start(header: list[str]) -> str:
    return _one_line(",".join(header))[:40] or "empty"


def _line(error: BaseException) -> str:
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
