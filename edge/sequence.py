"""Cameras that give every frame in order and then end: videos, images, the built-in scene. Knows nothing of time."""

from collections.abc import Generator
from pathlib import Path

import cv2

from edgits.edge import capture
from edgits.edge.frame import Camera, Frame, Report, Status
from edgits.edge.scene import Scene
from edgits.errors import CameraError, DataError
from edgits.images import read_image

Frames = Generator[Frame, None, None]


class Sequence(Camera):
    """A camera over a generator of frames; takes the first at once, so that a bad file shows when it is opened.

    Args:
        frames: Gives the frames; is closed with the camera.
        source: Name for `status` and messages.
    """

    live = False

    def __init__(self, frames: Frames, *, source: str) -> None:
        self.source = source
        self._frames = frames
        self._status = Status("running")
        self._next = next(frames, None)
        if self._next is None:
            raise CameraError(f"'{source}' holds no picture that can be read; give another")

    @property
    def status(self) -> Status:
        """See `Camera.status`."""
        return self._status

    def read(self, timeout: float | None = None) -> Frame | None:
        """See `Camera.read`; a file doesn't let wait."""
        del timeout
        frame, self._next = self._next, None
        if frame is None:
            frame = next(self._frames, None)
        if frame is None:
            self._status = Status("ended")
        return frame

    def close(self) -> None:
        """See `Camera.close`."""
        self._frames.close()
        self._next = None
        self._status = Status("ended")


def video_frames(video: cv2.VideoCapture, source: str, report: Report) -> Frames:
    """Gives the frames of an opened video and lets it go; one cut short is reported and ends where it was cut."""
    try:
        fps = video.get(cv2.CAP_PROP_FPS)
        fps = fps if fps > 0 else 25.0  # where the file doesn't say
        promised = video.get(cv2.CAP_PROP_FRAME_COUNT)
        index = 0
        while (image := capture.picture(*video.read())) is not None:
            yield Frame(image, index, index / fps, source)
            index += 1
        if index < 0.9 * promised:  # the header's count is an estimate in some formats
            report(f"the video '{source}' ended after {index} of {promised:.0f} frames: it is cut short or damaged")
    finally:
        video.release()


def image_frames(paths: list[Path], fps: float, report: Report) -> Frames:
    """Gives images as frames, `fps` to a second; of several, one that can't be read is reported and left out."""
    index = 0
    for path in paths:
        try:
            image = read_image(path)
        except DataError as error:
            if len(paths) == 1:
                raise CameraError(str(error)) from error
            report(f"skipped: {error}")
            continue
        yield Frame(image, index, index / fps, str(path))
        index += 1


def scene_frames(source: str, scene: Scene) -> Frames:
    """Gives the scene's frames without end."""
    index = 0
    while True:
        image, truth = scene.frame(index)
        yield Frame(image, index, index / scene.fps, source, truth)
        index += 1
