"""Opens devices, streams and videos through OpenCV or picamera2, silently. Doesn't know what to do when they fail."""

import base64
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import CameraError
from edgits.images import Image
from edgits.quiet import quiet

# FFmpeg's AV_LOG_QUIET; OpenCV reads it when it first opens a video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# V4L2 waits 10 s for a picture if nothing is said; the grabber has given it up by then.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")

# OpenCV's own warnings; an early 4.x has no such switch.
if "OPENCV_LOG_LEVEL" not in os.environ and hasattr(getattr(cv2, "utils", None), "logging"):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_STREAM_TIMEOUT_MS = 5000


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used; anything with it is a camera."""

    def read(self) -> tuple[bool, Any]:
        """Waits for the next picture: whether there is one, and the picture."""
        ...

    def release(self) -> None:
        """Lets the device go."""
        ...


@dataclass(frozen=True)
class Wish:
    """What to ask a device for; None leaves it to the device. Pixels, and frames per second."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None


def picture(there: bool, image: npt.NDArray[Any] | None) -> Image | None:
    """Makes what a read returned a picture, or None if it isn't one.

    Args:
        there: The read's success flag.
        image: What it gave: grey or colour, of 8 bits.

    Returns:
        uint8 (H, W, 3), blue-green-red.
    """
    if not there or not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.size == 0:
        return None
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    if image.ndim == 3 and image.shape[2] == 4:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR), np.uint8)
    return image if image.ndim == 3 and image.shape[2] == 3 else None


def found_devices() -> str:
    """Names the V4L2 devices of this machine, and the names that survive replugging, for a person to read."""
    names = [*Path("/dev").glob("video*"), *Path("/dev/v4l/by-id").glob("*")]
    return ", ".join(sorted(map(str, names))) or "none"


def open_file(path: Path) -> cv2.VideoCapture:
    """Opens a video file, or raises `CameraError`."""
    video = None if _is_text(path) else _open(str(path), cv2.CAP_FFMPEG, [])
    if video is None:
        size = path.stat().st_size
        raise CameraError(f"'{path}' is no video that can be decoded ({size} bytes); give an MP4, MKV or AVI file")
    return video


def _is_text(path: Path) -> bool:
    """FFmpeg plays text as the picture of a terminal, and a playlist would lead it to other files."""
    with open(path, "rb") as file:
        head = file.read(1024)
    return all(byte >= 32 or byte in b"\t\n\f\r\x1b" for byte in head)


def open_device(path: str, wish: Wish) -> cv2.VideoCapture:
    """Opens a V4L2 device, or raises `CameraError`."""
    if not Path(path).exists():
        raise CameraError(f"there is no camera '{path}'; found: {found_devices()}; plug one in, or give another source")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraError(
            f"may not use '{path}': permission denied; run: sudo usermod -aG video $USER, and log in again"
        )
    # a link such as /dev/v4l/by-id/… leads to another number after replugging
    device = _open(os.path.realpath(path), cv2.CAP_V4L2, [])
    if device is None:
        raise CameraError(
            f"'{path}' gives no pictures: another program uses it, or it is no capture device; "
            "close the other program (fuser /dev/video*), or give another index"
        )
    if (wish.width or 0) * (wish.height or 0) > 640 * 480 or (wish.fps or 0) > 30:
        # USB 2 is too narrow for raw pictures of that size
        device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    wishes = {
        cv2.CAP_PROP_FRAME_WIDTH: wish.width,
        cv2.CAP_PROP_FRAME_HEIGHT: wish.height,
        cv2.CAP_PROP_FPS: wish.fps,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }
    for name, value in wishes.items():
        if value is not None:
            device.set(name, value)
    return device


class Stream:
    """A network camera, or a film that a server sends.

    Args:
        url: Its address.
        name: The address for messages, without password.

    Attributes:
        frames: How many it has, when it was opened last; 0 if it has no end, or doesn't say.
    """

    def __init__(self, url: str, name: str) -> None:
        self.name, self.frames = name, 0
        self._url = url

    def open(self) -> cv2.VideoCapture:
        """Opens it, or raises `CameraError`."""
        timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        stream = _open(self._url, cv2.CAP_FFMPEG, [value for key in timeouts for value in (key, _STREAM_TIMEOUT_MS)])
        if stream is None:
            raise CameraError(
                f"no video stream at {self.name}; check the address and the password, and that the camera is on"
            )
        self.frames = max(0, round(stream.get(cv2.CAP_PROP_FRAME_COUNT)))  # negative where unknown
        return stream

    def finished(self, read: int) -> bool:
        """Tells whether it has come to its end after so many frames, or was cut off."""
        return read >= 0.9 * self.frames if self.frames else self._has_length()

    def _has_length(self) -> bool:
        """Asks a web server: what it sends from a file has a length, and a camera's stream hasn't."""
        import urllib.request  # slow to import, and seldom needed
        from http.client import HTTPException

        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https"):
            return False
        user, _, host = parts.netloc.rpartition("@")
        request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))
        if user:
            request.add_header("Authorization", "Basic " + base64.b64encode(unquote(user).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=_STREAM_TIMEOUT_MS / 1000) as answer:
                return "Content-Length" in answer.headers
        except (OSError, ValueError, HTTPException):
            return False


class _Csi:
    def __init__(self, number: int, wish: Wish) -> None:
        try:
            picamera2: Any = importlib.import_module("picamera2")
        except ImportError as error:
            raise CameraError(
                "the ribbon-cable camera needs picamera2, which isn't installed: sudo apt install python3-picamera2, "
                "and make the environment with --system-site-packages"
            ) from error
        cameras = picamera2.Picamera2.global_camera_info()
        if number >= len(cameras):
            raise CameraError(f"there is no camera csi:{number}; found: {len(cameras)}; check the ribbon cable")
        self._camera = picamera2.Picamera2(number)
        # libcamera names the order of bytes in a word: its RGB888 is blue-green-red in memory
        main = {"format": "RGB888", "size": (wish.width or 640, wish.height or 480)}
        controls = {"FrameRate": wish.fps} if wish.fps else {}
        self._camera.configure(self._camera.create_video_configuration(main=main, controls=controls))
        self._camera.start()

    def read(self) -> tuple[bool, Any]:
        return True, self._camera.capture_array("main")

    def release(self) -> None:
        self._camera.stop()
        self._camera.close()


def open_csi(number: int, wish: Wish) -> Capture:
    """Opens a Raspberry Pi's ribbon-cable camera, or raises `CameraError`."""
    try:
        return _Csi(number, wish)
    except (RuntimeError, IndexError) as error:  # libcamera's ways to say busy or unplugged
        raise CameraError(f"csi:{number} can't be opened: {error}; close other programs that use it") from error


def _open(name: str, backend: int, options: list[int]) -> cv2.VideoCapture | None:
    with quiet():
        capture = cv2.VideoCapture(name, backend, options)
        opened = capture.isOpened()
    if opened:
        return capture
    capture.release()
    return None
