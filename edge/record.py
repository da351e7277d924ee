"""Records annotated frames as a video whose pace is that of the frames' times. Knows no camera and no display."""

import itertools
import shutil
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from edgits.edge.sinks import Shot, check_place
from edgits.errors import OutputError
from edgits.images import Image
from edgits.quiet import quiet

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
"""Suffix → codec; OpenCV's own wheels have both, so the file plays wherever it was made."""

_PROBE = 8  # frames from which the pace is taken before the file is begun
_PACE = 25.0  # frames a second where the source has no times
_LONGEST_GAP = 1.0  # seconds that one frame may fill; a lost camera mustn't become minutes of video
_LEAST_FREE = 32 * 2**20  # bytes: below it the recording ends while it can still be finished
_CHECK_EVERY = 50  # frames


class Recording:
    """A sink that writes a video: to a temporary name, renamed when it is whole.

    Args:
        path: The file, ``.mp4`` or ``.avi``.

    Raises:
        OutputError: The suffix is another, or the place can't be written.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in CODECS:
            raise OutputError(f"can't record '{path}': the name must end in {' or '.join(CODECS)}")
        check_place(path)
        self._path = path
        self._waiting: list[tuple[Image, float]] = []
        self._writer: cv2.VideoWriter | None = None
        self._temporary = path.with_name(f".{path.stem}.recording{path.suffix}")
        self._fps, self._timed = _PACE, False
        self._first = 0.0
        self._written = 0
        self._size = (0, 0)

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        if shot.lost is not None:
            return True
        if self._writer is None:
            self._waiting.append((shot.picture, shot.frame.time))
            if len(self._waiting) == _PROBE:
                self._begin()
        else:
            self._write(shot.picture, shot.frame.time)
        return True

    def close(self) -> None:
        """See `Sink.close`: ends the file, reads it again as proof, gives it its name."""
        if self._writer is None and self._waiting:
            self._begin()
        if self._writer is None:
            return
        with quiet():
            self._writer.release()
        self._writer = None
        if not _plays(self._temporary):
            self._temporary.unlink(missing_ok=True)
            raise OutputError(f"the recording '{self._path}' was lost: the encoder failed; is the disk full?")
        self._temporary.replace(self._path)

    def _begin(self) -> None:
        times = [time for _, time in self._waiting]
        step = median([later - earlier for earlier, later in itertools.pairwise(times)] or [0.0])
        self._timed = step > 0
        self._fps = min(60.0, max(1.0, 1 / step)) if self._timed else _PACE
        self._first = times[0]
        height, width = self._waiting[0][0].shape[:2]
        self._size = (width, height)
        code = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        with quiet():
            writer = cv2.VideoWriter(str(self._temporary), code, self._fps, self._size)
        waiting, self._waiting = self._waiting, []
        if not writer.isOpened():
            self._temporary.unlink(missing_ok=True)
            raise OutputError(
                f"can't record '{self._path}': this OpenCV has no encoder for it; try the other of .mp4 and .avi"
            )
        self._writer = writer
        for picture, time in waiting:
            self._write(picture, time)

    def _write(self, picture: Image, time: float) -> None:
        """Writes a frame as often as its time asks for: not at all if it came too early."""
        assert self._writer is not None
        due = round((time - self._first) * self._fps) + 1 if self._timed else self._written + 1
        copies = due - self._written
        longest = max(1, round(_LONGEST_GAP * self._fps))
        if copies > longest:  # the rest of the gap is left out
            self._first += (copies - longest) / self._fps
            copies = longest
        if copies > 0 and (picture.shape[1], picture.shape[0]) != self._size:
            picture = np.asarray(cv2.resize(picture, self._size), np.uint8)
        for _ in range(copies):
            self._writer.write(picture)
            self._written += 1
            if self._written % _CHECK_EVERY == 1:
                self._check()

    def _check(self) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if free < _LEAST_FREE:
            self.close()
            raise OutputError(f"the recording '{self._path}' ends here: {free // 2**20} MB are left on the disk")


def _plays(path: Path) -> bool:
    with quiet():
        video = cv2.VideoCapture(str(path))
        try:
            return bool(video.isOpened() and video.read()[0])
        finally:
            video.release()
