"""Opens a camera by the name of its source. Knows the kinds of sources, not how frames are read from them."""

import logging
import os
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from edgits.edge import capture
from edgits.edge.frame import Camera, Frame, Report, Status, Truth
from edgits.edge.grabber import Grabber
from edgits.edge.results import UPRIGHT, Turn
from edgits.edge.scene import Scene
from edgits.edge.sequence import Sequence, image_frames, scene_frames, video_frames
from edgits.edge.view import Turned
from edgits.errors import CameraError
from edgits.images import SUFFIXES

__all__ = ["SOURCES", "Camera", "Frame", "Report", "Status", "Truth", "open_camera"]

SOURCES = """\
  0                     the first V4L2 camera (/dev/video0); any other index likewise
  /dev/v4l/by-id/…      a V4L2 camera by its path; this one survives replugging
  csi, csi:1            the Raspberry Pi's ribbon-cable camera, by picamera2
  http://…, rtsp://…    a network camera, MJPEG or RTSP
  film.mp4              a video file
  photo.jpg, folder/    an image, or all images of a folder in the order of their names
  scene, scene:7        the built-in scene with known truth; the number is its seed"""
"""What `open_camera` takes, for help texts."""

_SCHEMES = ("http", "https", "rtsp", "rtsps")


def open_camera(
    source: str,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    turn: Turn = UPRIGHT,
    report: Report | None = None,
) -> Camera:
    """Opens a camera, a file or the built-in scene.

    A live camera (device, network, ribbon cable) is read by a thread that keeps only its newest
    frame and opens it again when it is lost. Files give every frame once, in order.

    Args:
        source: See `SOURCES`.
        width: Wanted width in pixels, of a device or the scene; a device may choose another.
        height: Wanted height, likewise.
        fps: Wanted frames per second, of a device, the scene or a folder of images.
        turn: Brings its pictures upright; by default they are.
        report: Is told about what was survived; by default a warning in the log "edgits".

    Returns:
        The camera, which has proven to give frames.

    Raises:
        CameraError: There is no such source, or it gives no picture.
    """
    tell = report or logging.getLogger("edgits").warning
    camera = _open(source, capture.Wish(width, height, fps), tell)
    return camera if turn == UPRIGHT else Turned(camera, turn)


def _open(source: str, size: capture.Wish, tell: Report) -> Camera:
    kind, _, rest = source.partition(":")
    if kind == "scene":
        return _open_scene(source, rest, size)
    if kind == "csi":
        number = _number(source, rest)
        return Grabber(lambda: capture.open_csi(number, size), source=source, report=tell)
    if kind in _SCHEMES:
        return _open_stream(source, kind, tell)
    if re.fullmatch(r"[0-9]{1,3}", source) or source.startswith("/dev/"):
        device = source if source.startswith("/dev/") else f"/dev/video{int(source)}"
        return Grabber(lambda: capture.open_device(device, size), source=device, report=tell)
    return _open_path(source, size.fps, tell)


def is_still(source: str) -> bool:
    """Tells whether a source gives photos that have nothing to do with each other, rather than moving pictures."""
    path = Path(source)
    return path.is_dir() or ("://" not in source and path.suffix.lower() in SUFFIXES)


def _open_scene(source: str, rest: str, size: capture.Wish) -> Camera:
    width, height, fps = size.width or 640, size.height or 480, size.fps or 30.0
    if width < 320 or height < 240:
        raise CameraError(f"the scene can't be {width}x{height}; ask for 320x240 or more")
    scene = Scene(seed=_number(source, rest), width=width, height=height, fps=fps)
    return Sequence(scene_frames(source, scene), source=source)


def _open_stream(source: str, kind: str, report: Report) -> Camera:
    stream = capture.Stream(source, _without_password(source))
    camera = Grabber(stream.open, source=stream.name, report=report, finished=stream.finished)
    if stream.frames and kind.startswith("http"):  # a film: it waits, and every frame of it counts
        camera.close()
        return Sequence(video_frames(stream.open(), stream.name, report), source=stream.name)
    return camera


def _open_path(source: str, fps: float | None, report: Report) -> Camera:
    path = Path(source)
    if not source or "\0" in source or not path.exists():  # Path("") is the working directory
        raise CameraError(
            f"there is no camera, file or folder '{source}'; cameras found: {capture.found_devices()}; "
            "give an index, a path, a URL, csi or scene"
        )
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise CameraError(f"the folder '{source}' holds no images; put PNG or JPEG files there, or give another")
        return Sequence(image_frames(files, fps or 1.0, report), source=source)
    if not os.access(path, os.R_OK):
        raise CameraError(f"can't read '{source}': permission denied; allow it with chmod +r")
    if path.suffix.lower() in SUFFIXES:
        return Sequence(image_frames([path], fps or 1.0, report), source=source)
    return Sequence(video_frames(capture.open_file(path), source, report), source=source)


def _number(source: str, rest: str) -> int:
    if rest and not re.fullmatch(r"[0-9]{1,9}", rest):
        raise CameraError(f"'{source}' is no camera: after the colon comes a number, as in {source.split(':')[0]}:1")
    return int(rest or 0)


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise CameraError(
            f"'{url.rpartition('@')[2]}' is no address: {error}; write it as http://host:port/path"
        ) from error
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
