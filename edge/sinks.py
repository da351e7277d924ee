"""Where the frames of the live loop go: a contact sheet, a window. `edgits.edge.lines` and `record` have more.

A sink that fails raises `OutputError`; the loop says so, lets it go, and runs on.
"""

import functools
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from edgits import files
from edgits.edge.frame import Frame
from edgits.edge.overlay import draw
from edgits.edge.results import FrameResult
from edgits.errors import OutputError
from edgits.images import Image


@dataclass(frozen=True)
class Shot:
    """One turn of the live loop.

    Attributes:
        frame: The frame; while the camera is lost, its last one.
        result: What was read; without digits while the camera is lost.
        fps: Frames a second of the last frames; None before there are two.
        lost: What is wrong with the camera; None if the frame is a new one.
    """

    frame: Frame
    result: FrameResult
    fps: float | None = None
    lost: str | None = None

    @property
    def live(self) -> bool:
        """Whether it is of a live camera, which doesn't wait."""
        return self.lost is not None or self.result.age_ms is not None

    @functools.cached_property
    def picture(self) -> Image:
        """The frame with what was read drawn onto it; drawn when first asked for."""
        return draw(self.frame.image, self.result, fps=self.fps, status=self.lost)


class Sink(Protocol):
    """Takes what the live loop saw."""

    def put(self, shot: Shot) -> bool:
        """Takes one shot; False asks the loop to end. Raises `OutputError` if it can take no more."""
        ...

    def close(self) -> None:
        """Finishes what was begun. Raises `OutputError` if that can't be done."""
        ...


class Sheet:
    """Makes a contact sheet: annotated frames, evenly chosen over the whole run, as one image.

    Args:
        path: The image to write, PNG or JPEG by its suffix.
        count: Number of frames on it.
        columns: Frames side by side.
        width: Width of one of them in pixels, at most.
    """

    def __init__(self, path: Path, *, count: int = 9, columns: int = 3, width: int = 480) -> None:
        check_place(path)
        self._path, self._count, self._columns, self._width = path, count, columns, width
        self._kept: list[Image] = []
        self._stride, self._seen = 1, 0

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`. Keeps every `stride`-th frame; the stride doubles whenever there are too many."""
        if shot.lost is not None:
            return True
        if self._seen % self._stride == 0:
            self._kept.append(_shrink(shot.picture, self._width))
            if len(self._kept) == 4 * self._count:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._seen += 1
        return True

    def close(self) -> None:
        """See `Sink.close`."""
        if not self._kept:
            return
        count = min(self._count, len(self._kept))
        chosen = [self._kept[round(i)] for i in np.linspace(0, len(self._kept) - 1, count)]
        columns = min(self._columns, count)
        height = max(tile.shape[0] for tile in chosen)
        width = max(tile.shape[1] for tile in chosen)
        gap = 8
        sheet = np.full((-(-count // columns) * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
        for index, tile in enumerate(chosen):
            y, x = (
                gap + place * (side + gap) for place, side in zip(divmod(index, columns), (height, width), strict=True)
            )
            sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        write_image(self._path, sheet)


class Window:
    """Shows the annotated frames; q, Esc or closing the window ends. Files are shown at their own pace.

    Raises:
        OutputError: This machine has no display, or its OpenCV has no windows.
    """

    def __init__(self, title: str = "edgits") -> None:
        if reason := why_no_window():
            raise OutputError(reason)
        self._title = title
        self._start: float | None = None
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # Qt misses fonts that aren't needed
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        return self.show(shot.picture, None if shot.lost else shot.frame.time) is not None

    def show(self, picture: Image, time_due: float | None = None) -> int | None:
        """Shows a picture until the next one is due.

        Args:
            picture: uint8 (H, W, 3) blue-green-red.
            time_due: Its time in seconds, on the clock of the source; None where it has none.

        Returns:
            The key pressed meanwhile, 255 for none; None if q, Esc or closing the window ended it.
        """
        now = time.monotonic()
        if self._start is None:
            self._start = now - (now if time_due is None else time_due)
            height, width = picture.shape[:2]
            cv2.resizeWindow(self._title, width, height)
        cv2.imshow(self._title, picture)
        ahead = 0.0 if time_due is None else time_due - (now - self._start)
        key = int(cv2.waitKey(max(1, min(1000, round(1000 * ahead)))) & 0xFF)
        ended = key in (ord("q"), 27) or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        return None if ended else key

    def close(self) -> None:
        """See `Sink.close`."""
        cv2.destroyAllWindows()


def why_no_window(instead: str = "--record or --jsonl") -> str | None:
    """Says why no window can be shown, and what to use instead; None if one can."""
    if sys.platform == "linux" and not (_wayland_answers() or _x11_answers()):
        return f"there is no display: log in on the desktop, or use {instead}"
    if not has_windows():
        return "this OpenCV has no windows: pip install --force-reinstall --no-deps opencv-python"
    return None


def has_windows() -> bool:
    """Tells whether the OpenCV that is imported was built with windows; the headless one wasn't."""
    return not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def _wayland_answers() -> bool:
    name, folder = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("XDG_RUNTIME_DIR", "")
    return bool(name) and _answers(lambda link: link.connect(str(Path(folder) / str(name))), socket.AF_UNIX)


def _x11_answers() -> bool:
    """Tries the X server, because OpenCV's windows end the process where there is none."""
    match = re.fullmatch(r"(?:unix)?([^:/]*):([0-9]+)(?:\.[0-9]+)?", os.environ.get("DISPLAY", ""))
    if match is None:
        return False
    host, number = match[1], int(match[2])
    if host:
        return _answers(lambda link: link.connect((host, 6000 + number)), socket.AF_INET)
    return _answers(lambda link: link.connect(f"/tmp/.X11-unix/X{number}"), socket.AF_UNIX)  # X11's own place


def _answers(connect: Callable[[socket.socket], None], family: int) -> bool:
    with socket.socket(family) as link:
        link.settimeout(0.5)
        try:
            connect(link)
        except OSError:
            return False
    return True


def check_place(path: Path) -> None:
    """Makes the folder of an output and proves that a file can be written there, or raises `OutputError`."""
    files.make_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"can't write '{path}': it is a folder; give a file name")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"can't write '{path}': permission denied; give another place")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise OutputError(f"can't write '{path}': {error.strerror}; give another place") from error


def write_image(path: Path, image: Image) -> None:
    """Writes an image, whole or not at all; its suffix chooses the format."""
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f"can't write '{path}': no image format '{path.suffix}'; name it .png or .jpg")
    files.write_bytes(path, data.tobytes())


def _shrink(image: Image, width: int) -> Image:
    if image.shape[1] <= width:
        return image
    size = (width, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
