"""Runs on a Pi, emulated or not, and on the PC that it is compared with; needs edgits installed, nothing else.

    onboard.py logits FILE   what every shipped int8 model answers, in its own integers, as .npz
    onboard.py count         prints the names of `tasks` and works through them, marking where each repetition ends

Its input is made by integer steps alone, so that it is the same on every machine, whatever its OpenCV.
"""

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from edgits import edge
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer, shipped_models
from edgits.edge.runtimes import open_model
from edgits.edge.scene import Scene

IMAGES = 80
MARK = -20260704  # a file descriptor that nobody has: the plugin knows our calls by it
_INFERENCES = 20
_FRAMES = (0, 75, 150, 225, 300, 375)  # of six pages of the scene
_WARM_UP = 3


def tflite_models() -> dict[str, Path]:
    """Returns the shipped `.tflite` files by name, each once."""
    return {path.stem: path for path in shipped_models().values() if path.suffix == ".tflite"}


def inputs(size: int) -> np.ndarray:
    """Returns handwriting as models take it, float32 (IMAGES, size, size, 1) in [0, 1]."""
    with np.load(Path(edge.__file__).parent / "scene_data" / "digits.npz") as data:
        strip, ends = data["alpha"], [0, *np.cumsum(data["widths"], dtype=int)]
    images = np.zeros((IMAGES, size, size, 1), np.float32)
    for image, number in zip(images, np.linspace(0, len(ends) - 2, IMAGES, dtype=int), strict=True):
        start, end = ends[number], ends[number + 1]
        digit = strip[::2, start:end:2][:size, :size]
        top, left = (size - digit.shape[0]) // 2, (size - digit.shape[1]) // 2
        image[top : top + digit.shape[0], left : left + digit.shape[1], 0] = digit / np.float32(255)
    return images


def all_logits() -> dict[str, np.ndarray]:
    """Returns what every shipped int8 model answers to `inputs`: name → int8 (IMAGES, classes)."""
    return {name: _logits(path) for name, path in tflite_models().items() if name.endswith("-int8")}


def _logits(model: Path) -> np.ndarray:
    runtime = open_model(model)
    spec = runtime.output
    scores = runtime.run(inputs(runtime.input.shape[0]))
    return np.rint(scores / np.float32(spec.scale) + spec.zero_point).astype(spec.dtype)


def tasks() -> dict[str, list[Callable[[], object]]]:
    """Returns what is counted: a name and its repetitions."""
    found: dict[str, list[Callable[[], object]]] = {}
    for name, path in tflite_models().items():
        runtime = open_model(path)
        images = inputs(runtime.input.shape[0])[:_INFERENCES]
        found[name] = [lambda run=runtime.run, image=image[None]: run(image) for image in images]
    for size in ("640x480", "320x240"):
        width, height = map(int, size.split("x"))
        scene, reader = Scene(width=width, height=height), Reader(Recognizer.load("small"))
        reads = [partial(reader.read, scene.frame(index)[0], source="") for index in _FRAMES]
        found[f"frame {size}"] = [*reads]
        before = [read() for read in reads]
        found[f"followed {size}"] = [
            partial(read, area=result.area, known=result.known) for read, result in zip(reads, before, strict=True)
        ]
    return found


def count() -> None:
    """Does every task, and marks in the instruction stream the beginning of each and the end of each repetition."""
    cv2.setNumThreads(1)
    listed = tasks()
    sys.stdout.write(json.dumps(list(listed)))
    for number, repetitions in enumerate(listed.values()):
        for repetition in repetitions[:_WARM_UP]:
            repetition()
        gc.collect()
        gc.disable()
        _mark(number)
        for repetition in repetitions:
            repetition()
            _mark(number)
        gc.enable()


def _mark(number: int) -> None:
    with contextlib.suppress(OSError):  # it can't succeed
        os.lseek(MARK, number, os.SEEK_SET)


if __name__ == "__main__":
    if sys.argv[1] == "logits":
        np.savez_compressed(sys.argv[2], **all_logits())
    else:
        count()
