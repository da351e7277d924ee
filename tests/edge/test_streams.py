"""Network cameras, against servers that speak the real protocols: MJPEG over HTTP, a film over HTTP, RTSP."""

import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgits.edge.camera import open_camera
from edgits.edge.capture import Stream
from edgits.edge.fake import FakeCamera
from edgits.edge.grabber import Grabber

LIMIT = 20.0


class Mjpeg(http.server.BaseHTTPRequestHandler):
    """A network camera: pictures without end, until `stop` is set; damaged ones if `cut`."""

    stop: threading.Event
    cut = False

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        camera = FakeCamera()
        index = 0
        while not self.stop.wait(0.005):
            jpeg = cv2.imencode(".jpg", camera.read()[1])[1].tobytes()
            index += 1
            if self.cut and index > 20 and index % 2:
                jpeg = jpeg[: len(jpeg) // 2]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return

    def log_message(self, *args: object) -> None:
        pass


class Served:
    """A web server in a thread, which can be switched off and on again at the same address."""

    def __init__(self, handler: object, stop: threading.Event) -> None:
        self._handler, self._stop, self._port = handler, stop, 0
        self.switch_on()

    def switch_on(self) -> None:
        self._stop.clear()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def switch_off(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._port}/{name}"


@pytest.fixture
def mjpeg() -> Iterator[Served]:
    stop = threading.Event()
    server = Served(type("Handler", (Mjpeg,), {"stop": stop}), stop)
    yield server
    server.switch_off()


def until(camera, condition) -> None:
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        camera.read(0.05)
    assert condition()


def test_a_network_camera_gives_its_newest_picture(mjpeg):
    with open_camera(mjpeg.url("video"), report=lambda line: None) as camera:
        assert isinstance(camera, Grabber)
        frames = [camera.read(LIMIT) for _ in range(3)]
        time.sleep(0.3)
        later = camera.read(LIMIT)
        assert time.monotonic() - later.time < 0.3
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    assert frames[0].index < frames[1].index < frames[2].index < later.index - 3


def test_a_network_camera_that_goes_away_is_lost_and_comes_back(mjpeg):
    said: list[str] = []
    with open_camera(mjpeg.url("video"), report=said.append) as camera:
        camera.read(LIMIT)
        mjpeg.switch_off()
        until(camera, lambda: camera.status.state == "lost" and camera.status.retries > 1)
        assert "no video stream at http://127.0.0.1" in camera.status.detail
        mjpeg.switch_on()
        until(camera, lambda: camera.status.state == "running")
        assert camera.read(LIMIT) is not None
    assert len(said) == 2
    assert "is back after" in said[1]


def test_pictures_that_arrive_by_half_are_left_out(capfd):
    stop = threading.Event()
    server = Served(type("Handler", (Mjpeg,), {"stop": stop, "cut": True}), stop)
    try:
        with open_camera(server.url("video"), report=lambda line: None) as camera:
            until(camera, lambda: (frame := camera.read(LIMIT)) is not None and frame.index > 20)
            images = [camera.read(LIMIT).image for _ in range(15)]
    finally:
        server.switch_off()
    assert all(image[-6:].std() > 10 for image in images)  # no flat lower part
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    writer = cv2.VideoWriter(str(folder / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    camera = FakeCamera()
    for _ in range(30):
        writer.write(camera.read()[1])
    writer.release()
    jpegs = [cv2.imencode(".jpg", camera.read()[1])[1].tobytes() for _ in range(30)]
    (folder / "film.mjpeg").write_bytes(b"".join(jpegs))  # has no header that says how long it is
    return folder


@pytest.mark.parametrize(("name", "every"), [("film.avi", True), ("film.mjpeg", False)])
def test_a_film_that_a_server_sends_ends_at_its_end(films, name, every):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = Served(functools.partial(Quiet, directory=str(films)), threading.Event())
    said: list[str] = []
    try:
        with open_camera(server.url(name), report=said.append) as camera:
            frames = list(camera)
            assert camera.status.state == "ended"
    finally:
        server.switch_off()
    assert frames[-1].index == 29
    assert not every or [frame.index for frame in frames] == list(range(30))
    assert said == []


def test_the_password_goes_to_the_server_and_not_into_the_name():
    asked: list[str | None] = []

    class Guarded(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = Served(Guarded, threading.Event())
    try:
        stream = Stream(server.url("film").replace("//", "//me:se%40cret@"), "film")
        assert stream.finished(5)
    finally:
        server.switch_off()
    assert asked == ["Basic bWU6c2VAY3JldA=="]


@pytest.fixture
def rtsp() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("rtsp.py")), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"rtsp://me:secret@127.0.0.1:{int(server.stdout.readline())}/live"
        server.kill()


def test_rtsp_is_read_and_opened_again_when_the_camera_hangs_up(rtsp):
    said: list[str] = []
    with open_camera(rtsp, report=said.append) as camera:
        assert camera.source.startswith("rtsp://127.0.0.1:")
        first = camera.read(LIMIT)
        until(camera, lambda: camera.status.state == "lost")  # after 60 pictures
        until(camera, lambda: camera.status.state == "running")
        again = camera.read(LIMIT)
    assert first.image.shape == again.image.shape == (120, 160, 3)
    assert 35 < np.median(first.image) < 110
    assert again.index > first.index
    assert "secret" not in "".join(said)
