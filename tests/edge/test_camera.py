"""Opening sources by their names: what they give, and the one line that a wrong one gets."""

import logging
import os
import sys
import types
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from edgits.edge.camera import open_camera
from edgits.edge.capture import Wish, open_device, picture
from edgits.edge.frame import Frame, Truth
from edgits.errors import CameraError
from edgits.quiet import quiet


def view(level: int, shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    noise = np.random.default_rng(level).integers(0, 12, (*shape, 3), np.uint8)
    return cv2.add(np.full((*shape, 3), level, np.uint8), noise)


def write_video(path: Path, frames: int = 20, fps: float = 25.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (160, 120))
    for i in range(frames):
        writer.write(view(10 + 10 * i))
    writer.release()
    return path


def failure(source: object) -> str:
    with pytest.raises(CameraError) as caught:
        open_camera(str(source))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_video_gives_every_frame_in_order_and_ends(tmp_path):
    path = write_video(tmp_path / "film.avi")
    with open_camera(str(path)) as camera:
        frames = list(camera)
        assert not camera.live
        assert camera.status.state == "ended"
        assert camera.read() is None
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([i / 25 for i in range(20)])
    levels = [frame.image.mean() for frame in frames]
    assert levels == pytest.approx([15.5 + 10 * i for i in range(20)], abs=3)
    assert frames[0].source == str(path)
    assert frames[0].truth is None


def test_a_video_cut_short_is_reported_and_ends_there(tmp_path):
    data = write_video(tmp_path / "film.avi").read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) // 2])
    said: list[str] = []
    with open_camera(str(cut), report=said.append) as camera:
        count = len(list(camera))
    assert 0 < count < 20
    assert said == [f"the video '{cut}' ended after {count} of 20 frames: it is cut short or damaged"]


@pytest.mark.parametrize(
    "content", [b"", b"no video at all\n" * 100, bytes(range(256)) * 20, b"\x00\x00\x00\x20ftypisom"]
)
@pytest.mark.parametrize("name", ["film.mp4", "film.txt", "film"])
def test_a_video_that_is_none(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    message = failure(path)
    assert f"'{path}' is no video that can be decoded ({len(content)} bytes)" in message


def test_nothing_is_written_to_the_terminal(tmp_path, capfd):
    (tmp_path / "film.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 20)
    failure(tmp_path / "film.mp4")
    failure("http://127.0.0.1:9/stream")
    data = write_video(tmp_path / "film.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    with open_camera(str(tmp_path / "cut.avi"), report=lambda line: None) as camera:
        list(camera)
    assert capfd.readouterr() == ("", "")


def test_quiet_gives_the_standard_error_back(capfd):
    with quiet():
        os.write(2, b"noise")
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_a_folder_gives_its_images_by_name_and_skips_the_broken(tmp_path, caplog):
    for level, name in ((90, "b.png"), (30, "a.jpg"), (150, "d.bmp")):
        cv2.imwrite(str(tmp_path / name), view(level, (60 + level, 80)))
    (tmp_path / "c.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "notes.txt").write_text("not an image")
    with caplog.at_level(logging.WARNING, "edgits"), open_camera(str(tmp_path), fps=2.0) as camera:
        frames = list(camera)
    assert [Path(frame.source).name for frame in frames] == ["a.jpg", "b.png", "d.bmp"]
    assert [(frame.index, frame.time) for frame in frames] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert [frame.image.shape[0] for frame in frames] == [90, 150, 210]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"skipped: '{tmp_path / 'c.png'}' holds no readable image")


def test_one_image(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), view(80)[:, :, 0])  # grey becomes colour
    with open_camera(str(path)) as camera:
        frames = list(camera)
    assert len(frames) == 1
    assert frames[0].image.shape == (120, 160, 3)


def test_sources_that_hold_nothing(tmp_path):
    assert "holds no images" in failure(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"broken")
    assert f"'{tmp_path}' holds no picture that can be read" in failure(tmp_path)
    assert f"'{tmp_path / 'b.png'}' holds no readable image (6 bytes)" in failure(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("987", "there is no camera '/dev/video987'; found: "),
        ("/dev/v4l/by-id/usb-none", "there is no camera '/dev/v4l/by-id/usb-none'; found: "),
        ("/dev/null", "'/dev/null' gives no pictures"),
        ("no-such-file.mp4", "there is no camera, file or folder 'no-such-file.mp4'; cameras found: "),
        ("", "there is no camera, file or folder ''"),
        ("-1", "there is no camera, file or folder '-1'"),
        ("scene:x", "'scene:x' is no camera: after the colon comes a number, as in scene:1"),
        ("csi:front", "'csi:front' is no camera"),
        ("http://[broken", "is no address"),
        ("http://127.0.0.1:9/video", "no video stream at http://127.0.0.1:9/video"),
        ("a\0b", "there is no camera, file or folder"),
    ],
)
def test_sources_that_are_not_there(source, says):
    assert says in failure(source)


def test_a_password_is_not_shown():
    message = failure("rtsp://me:secret@127.0.0.1:9/live?token=secret")
    assert "rtsp://127.0.0.1:9/live" in message
    assert "secret" not in message


def test_csi_without_picamera2_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    assert "sudo apt install python3-picamera2" in failure("csi")


class _Picamera2:
    """What is used of the class of that name, over pictures that are all the same."""

    made: ClassVar[list["_Picamera2"]] = []

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, ["made"]
        self.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, int]]:
        return [{"Num": 0}, {"Num": 1}]

    def create_video_configuration(self, **configuration: object) -> dict[str, object]:
        return configuration

    def configure(self, configuration: dict[str, object]) -> None:
        self.configuration = configuration

    def capture_array(self, stream: str) -> np.ndarray:
        assert stream == "main"
        return view(50)

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


def test_csi_asks_for_blue_green_red_and_lets_the_camera_go(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=_Picamera2))
    with open_camera("csi:1", width=800, height=600, fps=15) as camera:
        assert np.array_equal(camera.read(20).image, view(50))
    device = _Picamera2.made[-1]
    assert device.number == 1
    # picamera2 calls the order blue-green-red in memory RGB888
    assert device.configuration["main"] == {"format": "RGB888", "size": (800, 600)}
    assert device.configuration["controls"] == {"FrameRate": 15}
    assert device.calls == ["made", "start", "stop", "close"]
    assert "there is no camera csi:2; found: 2" in failure("csi:2")


@pytest.mark.parametrize(("wish", "packed"), [(Wish(640, 480), False), (Wish(1280, 720), True), (Wish(fps=60), True)])
def test_a_device_is_asked_for_compressed_pictures_where_usb_is_too_narrow(monkeypatch, tmp_path, wish, packed):
    asked: dict[int, float] = {}

    class Device:
        def __init__(self, path: str, backend: int, options: list[int]) -> None:
            assert (path, backend) == (str(tmp_path / "video4"), cv2.CAP_V4L2)

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return True

        def set(self, name: int, value: float) -> bool:
            asked[name] = value
            return True

    (tmp_path / "video4").touch()
    (tmp_path / "by-id").symlink_to("video4")
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    open_device(str(tmp_path / "by-id"), wish)
    assert (asked.get(cv2.CAP_PROP_FOURCC) == cv2.VideoWriter.fourcc(*"MJPG")) == packed
    assert asked.get(cv2.CAP_PROP_FRAME_WIDTH) == wish.width
    assert asked.get(cv2.CAP_PROP_FPS) == wish.fps
    assert asked[cv2.CAP_PROP_BUFFERSIZE] == 1


def test_the_scene_by_its_name():
    with open_camera("scene:5", width=320, height=240, fps=10) as camera:
        frames = [camera.read() for _ in range(3)]
    with open_camera("scene:5", width=320, height=240, fps=10) as camera:
        again = camera.read()
    assert [frame.time for frame in frames] == [0.0, 0.1, 0.2]
    assert frames[0].image.shape == (240, 320, 3)
    assert frames[0].truth.digits
    assert np.array_equal(frames[0].image, again.image)
    assert "the scene can't be 100x100" in _scene_failure(100, 100)


def _scene_failure(width: int, height: int) -> str:
    with pytest.raises(CameraError) as caught:
        open_camera("scene", width=width, height=height)
    return str(caught.value)


@pytest.mark.parametrize(
    ("there", "image"),
    [(False, view(9)), (True, None), (True, view(9).astype(np.uint16)), (True, view(9)[:0]), (True, view(9)[:, :, :2])],
)
def test_what_is_no_picture(there, image):
    assert picture(there, image) is None


def test_grey_and_alpha_become_colour():
    assert np.array_equal(picture(True, view(9)[:, :, 0])[:, :, 2], view(9)[:, :, 0])
    assert np.array_equal(picture(True, np.dstack([view(9), view(9)[:, :, :1]])), view(9))


def test_frames_and_truths_are_checked_when_made():
    with pytest.raises(ValueError, match="uint8"):
        Frame(np.zeros((4, 4, 3)), 0, 0.0, "x")
    with pytest.raises(ValueError, match="doesn't hold"):
        Truth(((1, (0, 0, 5, 5)),), "2")


@pytest.mark.camera
def test_a_real_camera_gives_moving_pictures():
    with open_camera("0") as camera:
        first, second = camera.read(10), camera.read(10)
    assert first.image.std() > 1
    assert second.time > first.time
    assert not np.array_equal(first.image, second.image)
