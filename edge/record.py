"""Records annotated frames as video whose pace is that of the frames' times. Knows no camera and no display.

The files play at any moment, also after a power cut or on a full disk: they are written in
pieces that each stand alone, and what was written last, a second or so, is all that is lost.
"""

import itertools
import os
import re
import shutil
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from edgits.edge.sinks import Shot, check_place
from edgits.errors import OutputError
from edgits.images import Image
from edgits.quiet import quiet

CODECS = {".mp4": ("mp4v", ".ismv"), ".avi": ("MJPG", ".avi")}
"""Suffix → codec, and the suffix by which FFmpeg writes such a file in pieces; OpenCV's own wheels have both.

FFmpeg's plain MP4 can't be played before its end is written. ISMV is MP4 in fragments, and plays as MP4."""

_PROBE = 8  # frames from which the pace is taken before the file is begun
_PACE = 25.0  # frames a second where the source has no times
_LONGEST_GAP = 1.0  # seconds that one frame may fill; a lost camera mustn't become minutes of video
_LEAST_FREE = 32 * 2**20  # bytes: below it the recording ends, so that the system lives on
_CHECK_EVERY = 50  # frames
_GROWTH_EVERY = 600  # frames: even of a still picture so many don't fit into the encoder's buffer
_PARTS = 10  # of a limited recording; room for two is kept, since one ends a little late
LEAST_LIMIT = 8 * 2**20
"""Bytes of a limited recording at least."""


class Recording:
    """A sink that writes a video, or with a limit a row of them, of which the oldest are deleted.

    Args:
        path: The file, ``.mp4`` or ``.avi``. With a limit its parts are numbered, ``film-00001.mp4`` and so on, going
            on from those that are there.
        limit: Bytes that all parts together may fill; None for one file without a limit.

    Raises:
        OutputError: The suffix is another, or the place can't be written.
    """

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        if path.suffix.lower() not in CODECS:
            raise OutputError(f"can't record '{path}': the name must end in {' or '.join(CODECS)}")
        if limit is not None and limit < LEAST_LIMIT:
            raise OutputError(f"a recording of {limit} bytes is too small: {LEAST_LIMIT} is the least")
        check_place(path)
        self._path, self._limit = path, limit
        self._waiting: list[tuple[Image, float]] = []
        self._begun = False
        self._part: _Part | None = None
        self._fps, self._timed = _PACE, False
        self._first = 0.0
        self._written = 0

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        if shot.lost is not None:
            return True
        if self._begun:
            self._write(shot.picture, shot.frame.time)
            return True
        self._waiting.append((shot.picture, shot.frame.time))
        if len(self._waiting) == _PROBE:
            self._begin()
        return True

    def close(self) -> None:
        """See `Sink.close`: ends the file, and reads it again as proof."""
        if self._waiting:
            self._begin()
        part, self._part = self._part, None
        if part is not None:
            part.close()

    def _begin(self) -> None:
        times = [time for _, time in self._waiting]
        step = median([later - earlier for earlier, later in itertools.pairwise(times)] or [0.0])
        self._timed = step > 0
        self._fps = min(60.0, max(1.0, 1 / step)) if self._timed else _PACE
        self._first = times[0]
        waiting, self._waiting, self._begun = self._waiting, [], True
        for picture, time in waiting:
            self._write(picture, time)

    def _open(self, picture: Image) -> None:
        path = self._path
        if self._limit is not None:
            old = parts(path, numbered=True)
            number = int(old[-1].stem.rpartition("-")[2]) if old else 0
            path = path.with_stem(f"{path.stem}-{number + 1:05}")
            self._make_room(self._limit - 2 * self._limit // _PARTS)
        self._part = _Part(path, self._fps, (picture.shape[1], picture.shape[0]))

    def _make_room(self, most: int) -> None:
        """Deletes the oldest parts until the rest fill `most` bytes, and the disk has room."""
        old = [(part, part.stat().st_size) for part in parts(self._path, numbered=True)]
        total = sum(size for _, size in old)
        for part, size in old:
            if total <= most and shutil.disk_usage(part.parent).free >= 2 * _LEAST_FREE:
                break
            part.unlink()
            total -= size

    def _write(self, picture: Image, time: float) -> None:
        """Writes a frame as often as its time asks for: not at all if it came too early."""
        due = round((time - self._first) * self._fps) + 1 if self._timed else self._written + 1
        copies = due - self._written
        longest = max(1, round(_LONGEST_GAP * self._fps))
        if copies > longest:  # the rest of the gap is left out
            self._first += (copies - longest) / self._fps
            copies = longest
        for _ in range(copies):
            if self._part is None:
                self._open(picture)
            assert self._part is not None
            self._part.write(picture)
            self._written += 1
            if self._part.frames % _CHECK_EVERY == 0:
                self._check()

    def _check(self) -> None:
        """Ends a part that is large enough, and the whole recording where the disk is full."""
        assert self._part is not None
        free = shutil.disk_usage(self._path.parent).free
        if free < _LEAST_FREE:
            self.close()
            raise OutputError(f"the recording '{self._path}' ends here: {free // 2**20} MB are left on the disk")
        if not self._part.grows():
            self.close()
            raise OutputError(f"the recording '{self._path}' ends here: the file can't grow; is the disk full?")
        if self._limit is not None and self._part.size() >= self._limit // _PARTS:
            self.close()


def parts(path: Path, *, numbered: bool) -> list[Path]:
    """Returns the files of the recording of this name that are there; of a numbered one the oldest first."""
    if not numbered:
        return [path] if path.is_file() else []
    name = re.compile(re.escape(path.stem) + r"-([0-9]{5,})" + re.escape(path.suffix))
    found = {int(match[1]): file for file in path.parent.iterdir() if (match := name.fullmatch(file.name))}
    return [found[number] for number in sorted(found)]


class _Part:
    """One video file that plays at any moment."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self.path, self._picture_size = path, size
        self.frames = 0
        self._grown_to = 0
        codec, suffix = CODECS[path.suffix.lower()]
        begun = path.with_name(f".{path.stem}.{os.getpid()}{suffix}")  # FFmpeg goes by the suffix of this name
        with quiet():
            self._writer = cv2.VideoWriter(str(begun), cv2.VideoWriter.fourcc(*codec), fps, size)
        if not self._writer.isOpened():
            begun.unlink(missing_ok=True)
            raise OutputError(
                f"can't record '{path}': this OpenCV has no encoder for it; try the other of {' and '.join(CODECS)}"
            )
        begun.replace(path)

    def write(self, picture: Image) -> None:
        """Appends a picture; one of another size is brought to that of the first."""
        if (picture.shape[1], picture.shape[0]) != self._picture_size:
            picture = np.asarray(cv2.resize(picture, self._picture_size), np.uint8)
        self._writer.write(picture)
        self.frames += 1

    def size(self) -> int:
        """Returns the bytes of the file; 0 if somebody has taken it away."""
        return self.path.stat().st_size if self.path.exists() else 0

    def grows(self) -> bool:
        """Tells whether the file still grows, looking now and then: OpenCV says nothing of a failed write."""
        if self.frames % _GROWTH_EVERY:
            return True
        before, self._grown_to = self._grown_to, self.size()
        return self._grown_to > before

    def close(self) -> None:
        """Ends the file, or removes it and raises `OutputError` if nothing of it plays."""
        with quiet():
            self._writer.release()
        if not _plays(self.path):
            self.path.unlink(missing_ok=True)
            raise OutputError(f"the recording '{self.path}' was lost: the encoder failed; is the disk full?")


def _plays(path: Path) -> bool:
    with quiet():
        video = cv2.VideoCapture(str(path))
        try:
            return bool(video.isOpened() and video.read()[0])
        finally:
            video.release()
