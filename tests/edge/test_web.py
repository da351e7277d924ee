"""The web page over real sockets: what it gives and takes, whom it refuses, that no client holds up the loop."""

import contextlib
import http.client
import json
import re
import select
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgits.edge.address import Address
from edgits.edge.collect import true_digit
from edgits.edge.collection import Collection
from edgits.edge.frame import Frame
from edgits.edge.live import watch
from edgits.edge.metrics import Metrics
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult
from edgits.edge.scene import Scene
from edgits.edge.sequence import Sequence, scene_frames
from edgits.edge.sinks import Shot
from edgits.edge.steer import Choice, Steering
from edgits.edge.view import Region
from edgits.edge.web import routes, server, sink, streams
from edgits.edge.web.sink import MetricsPage, WebPage
from edgits.errors import ModelError, OutputError

LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load("nano")


@pytest.fixture(scope="module")
def seen(recognizer):
    """Shots of the scene, with what was read; the time of all is 0, so that nothing is waited for."""
    camera = Sequence(scene_frames("scene", Scene(seed=3)), source="scene")
    steering = Steering(recognizer, Choice("nano"), load=Recognizer.load)
    return list(watch(camera, steering, max_frames=30))


@pytest.fixture(autouse=True)
def no_fault_in_the_server(caplog):
    """Whatever a client does, no handler may fail unexpectedly: aiohttp would only log it."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith(("aiohttp", "asyncio"))] == []


class Running:
    """A page and its client."""

    def __init__(self, recognizer, tmp_path, *, address=LOOPBACK, collects=True):
        self.steering = Steering(recognizer, Choice("nano"), load=self.load)
        self.collection = Collection(tmp_path / "digits", report=pytest.fail) if collects else None
        self.metrics = Metrics()
        self.page = WebPage(address, steering=self.steering, collection=self.collection, metrics=self.metrics)
        self.port = int(re.search(r":(\d+)/", self.page.url)[1])
        self.feed = self.page._feed

    def load(self, name):
        if name == "nano-float16":
            raise ModelError("this model is damaged")
        return Recognizer.load(name)

    def show(self, *shots):
        for shot in shots:
            self.metrics.put(shot)
            assert self.page.put(replace(shot, frame=replace(shot.frame, time=0.0)))

    def ask(self, method, path, body=None, **headers):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            link.request(method, path, body, given)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, value, **headers):
        status, _, data = self.ask("POST", path, json.dumps(value), Content_Type="application/json", **headers)
        return status, json.loads(data) if status == 200 else data.decode()

    def open(self, path, *, room=None, **headers):
        """Opens a connection and asks, but reads nothing."""
        link = socket.socket()
        if room:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        link.settimeout(30)
        link.connect(("127.0.0.1", self.port))
        lines = [f"GET {path} HTTP/1.0", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        link.sendall("\r\n".join(lines).encode())
        return link

    def events(self):
        """Returns the newest of each kind of event."""
        with self.open("/events") as link:
            text = b""
            while b"event: state" not in text or not text.endswith(b"\n\n"):
                text += (data := link.recv(65536))
                assert data
        found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", text.decode())
        return {kind: json.loads(data) for kind, data in found}


@pytest.fixture
def running(recognizer, tmp_path):
    page = Running(recognizer, tmp_path)
    yield page
    page.page.close()


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen in time"
        time.sleep(0.01)


class Pictures:
    """Reads an MJPEG stream as a browser does: a picture is whole when the boundary after it has come."""

    def __init__(self, link):
        self.link, self.data = link, b""

    def next(self):
        while not (match := re.search(rb"--picture\r\n(.+?)\r\n\r\n(.*?)\r\n(?=--picture\r\n)", self.data, re.DOTALL)):
            self.data += (more := self.link.recv(65536))
            assert more
        self.data = self.data[match.end() :]
        head = dict(line.split(": ") for line in match[1].decode().split("\r\n"))
        assert head == {"Content-Type": "image/jpeg", "Content-Length": str(len(match[2]))}
        return cv2.imdecode(np.frombuffer(match[2], np.uint8), cv2.IMREAD_COLOR)


# what it gives


def test_the_page_and_its_files_are_there_with_careful_headers(running):
    kinds = {"": "text/html", "page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        status, headers, data = running.get(f"/{name}")
        assert (status, headers.get_content_type()) == (200, kind)
        assert data
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Server"] == "edgits"
        assert "Access-Control-Allow-Origin" not in headers
    assert running.get("/nothing")[1]["Server"] == "edgits"


def test_the_page_loads_nothing_from_elsewhere(running):
    text = b"".join(running.get(path)[2] for path in ("/", "/page.js", "/page.css")).decode()
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == []
    assert (
        re.findall(r"<script>|<style>|\bon[a-z]+=\"|style=\"", running.get("/")[2].decode()) == []
    )  # the policy bars it


def test_events_tell_the_reading_the_number_the_history_and_the_settings(running, seen):
    running.show(*(replace(shot, frame=replace(shot.frame, time=i / 30)) for i, shot in enumerate(seen[-3:])))
    told = running.events()
    result = seen[-1].result
    assert told["reading"]["text"] == result.text != ""
    assert (told["reading"]["width"], told["reading"]["height"]) == (640, 480)
    assert told["reading"]["frame"] == 29
    assert told["reading"]["lost"] is None
    state = told["state"]
    assert (state["model"], state["threshold"], state["region"]) == ("nano", None, None)
    assert state["threshold_in_force"] == pytest.approx(running.steering.threshold, abs=1e-3)
    assert {"nano", "small"} <= set(state["models"])
    assert state["counts"] == [0] * 10
    assert told["history"] == []  # all these frames have one time, so nothing has stayed yet


def test_numbers_that_stood_there_make_the_history(running, seen):
    for start, shot in (
        (0, seen[5]),
        (5, replace(seen[5], result=replace(seen[5].result, digits=(), lines=()))),
        (9, seen[20]),
    ):
        for i in range(10):
            running.feed.offer(replace(shot, frame=replace(shot.frame, time=start + i / 20)))
    stable = ["\n".join(text.split()) for text in (seen[20].result.text, seen[5].result.text)]
    assert [entry["text"] for entry in running.events()["history"]] == list(dict.fromkeys(stable))
    assert all(entry["time"] == pytest.approx(time.time(), abs=60) for entry in running.events()["history"])


def test_the_stream_shows_the_newest_picture_at_once_and_each_new_one(running, seen):
    running.show(seen[0])
    with running.open("/stream.mjpg") as link:
        stream = Pictures(link)
        first = stream.next()
        assert first.shape == (480, 640, 3)
        assert np.abs(first.astype(int) - seen[0].picture[:480]).mean() < 6  # the frame with its overlay, no bar
        running.show(seen[1])
        assert (stream.next() != first).any()


def test_a_stream_has_no_head_alone(running):
    for path in ("/stream.mjpg", "/events"):
        assert running.ask("HEAD", path)[0] == 405  # it would run without end, unheard
    assert running.ask("HEAD", "/page.js")[0] == 200


def test_a_large_picture_is_made_small(running):
    frame = Frame(np.full((1080, 1920, 3), 90, np.uint8), 0, 0.0, "test")
    running.show(Shot(frame, FrameResult("test", 1920, 1080, (), ())))
    with running.open("/stream.mjpg") as link:
        assert Pictures(link).next().shape == (540, 960, 3)


def test_without_viewers_nothing_is_drawn_or_encoded(running, seen):
    shots = [replace(shot) for shot in seen]
    for shot in shots:
        running.page.put(replace(shot, frame=replace(shot.frame, time=0.0)))
    assert running.feed.encoded == 0
    assert running.events()["reading"]["frame"] == 29  # who reads the numbers only costs no picture
    assert running.feed.encoded == 0


def test_a_picture_is_encoded_once_for_all_viewers(running, seen):
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(running.open("/stream.mjpg")) for _ in range(5)]
        until(lambda: running.feed.viewers == 5)
        running.show(seen[0])
        got = [Pictures(link).next() for link in links]
    assert all((one == got[0]).all() for one in got)
    assert running.feed.encoded == 1


def test_a_lost_camera_is_said_and_no_number_stands_there(running, seen):
    running.show(*seen[:3])
    shot = seen[3]
    running.show(Shot(shot.frame, FrameResult("scene", 640, 480, (), ()), lost="camera lost: it was unplugged"))
    reading = running.events()["reading"]
    assert (reading["lost"], reading["number"], reading["text"]) == ("camera lost: it was unplugged", "", "")
    assert (reading["fps"], reading["latency_ms"]) == (None, None)
    status, said = running.post("/still", {})
    assert (status, said) == (409, "there is no picture: the camera is lost\n")


def test_the_metrics_are_there(running, seen):
    running.show(*seen[:4])
    status, headers, data = running.get("/metrics")
    assert (status, headers.get_content_type()) == (200, "text/plain")
    assert b"\nedgits_frames_total 4.0\n" in data


def test_metrics_alone_have_a_page_of_their_own(seen):
    metrics = Metrics()
    page = MetricsPage(LOOPBACK, metrics)
    metrics.put(seen[0])
    link = http.client.HTTPConnection(page.url.split("/")[2], timeout=30)
    for path, status, part in (("/metrics", 200, b"edgits_frames_total 1.0"), ("/", 404, b""), ("/events", 404, b"")):
        link.request("GET", path)
        answer = link.getresponse()
        assert answer.status == status
        assert part in answer.read()
    link.close()
    page.close()


# what it takes


def test_settings_change_while_it_runs(running, seen):
    image = seen[0].frame.image
    assert running.post("/settings", {"threshold": 0.9})[1]["threshold"] == 0.9
    assert running.steering.threshold == 0.9
    assert running.post("/settings", {"region": [0.5, 0, 0.5, 1]})[1]["region"] == [0.5, 0, 0.5, 1]
    state = running.post("/settings", {"model": "small", "threshold": None})[1]
    assert (state["model"], state["threshold"], state["region"]) == ("small", None, [0.5, 0, 0.5, 1])
    camera = Sequence(scene_frames("scene", Scene(seed=3)), source="scene")
    (shot,) = watch(camera, running.steering, settings=running.steering.settings, max_frames=1)
    assert shot.result.region == (320, 0, 320, 480)
    assert shot.result.digits
    assert all(digit.box[0] >= 320 for digit in shot.result.digits)
    assert running.steering.read(image, source="x").digits
    assert running.post("/settings", {"region": None})[1]["region"] is None
    assert running.steering.settings.region is None


def test_two_who_change_settings_at_once_both_get_theirs(running):
    values = [{"threshold": 0.9}, {"region": [0.5, 0, 0.5, 1]}, {"model": "small"}]
    threads = [threading.Thread(target=running.post, args=("/settings", value)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert running.steering.choice == Choice("small", 0.9, Region(0.5, 0, 0.5, 1, shares=True))


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        ({"threshold": 1.5}, 400, "lies between 0 and 1"),
        ({"threshold": "0.5"}, 400, "a number is wanted"),
        ({"threshold": True}, 400, "a number is wanted"),
        ({"threshold": float("nan")}, 400, "a number is wanted"),
        ({"region": [0, 0, 1]}, 400, "left, top, width, height"),
        ({"region": [0.5, 0, 0.6, 1]}, 400, "lies in the picture"),
        ({"region": [-0.1, 0, 0.6, 1]}, 400, "lies in the picture"),
        ({"region": [0, 0, 0.01, 1]}, 400, "too small"),
        ({"region": [0, 0, "a", 1]}, 400, "a number is wanted"),
        ({"model": "../../etc/passwd"}, 400, "no model of this name"),
        ({"model": None}, 400, "no model of this name"),
        ({"model": "nano-float16"}, 409, "this model is damaged"),
        ({"colour": "red"}, 400, "model, region, threshold"),
        ([1], 400, "model, region, threshold"),
    ],
)
def test_bad_settings_are_refused_in_a_line_and_all_stays(running, value, status, said):
    before = running.steering.choice
    got, text = running.post("/settings", value)
    assert got == status
    assert said in text
    assert text.count("\n") == 1
    assert running.steering.choice == before


def test_a_misread_digit_is_corrected_into_the_folder(running, seen, tmp_path):
    shot = next(shot for shot in seen if len(shot.result.digits) >= 3)
    running.show(shot)
    _, still = running.post("/still", {})
    read = [mark["digit"] for mark in still["marks"]]
    assert read[: len(shot.result.digits)] == [digit.digit for digit in shot.result.digits]
    assert (still["width"], still["height"]) == (640, 480)
    status, headers, data = running.get(f"/still/{still['still']}.jpg")
    assert (status, headers.get_content_type()) == (200, "image/jpeg")
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)
    running.show(*seen[:2])  # the picture that is held doesn't change with the camera's
    truth = (read[1] + 1) % 10
    status, said = running.post("/correct", {"still": still["still"], "mark": 1, "digit": truth})
    assert (status, said["verdict"], said["counts"][truth]) == (200, "saved", 1)
    (path,) = (tmp_path / "digits").rglob("*.png")
    assert path.parent.name == str(truth)
    crop = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert running.steering.read(crop, source="x") is not None
    (reading,) = Recognizer.load("small").read([crop])
    assert reading.digit == read[1]  # the very digit that was tapped
    assert running.collection.saved[0].misread
    again = running.post("/correct", {"still": still["still"], "mark": 1, "digit": truth})[1]
    assert again["verdict"] == "duplicate"
    assert running.events()["state"]["counts"][truth] == 1
    assert said["saved"] == 1
    for number in (0, 2):  # another's
        assert running.post("/undo", {"saved": number}) == (409, "something else was saved since; delete it by hand\n")
    assert running.post("/undo", {"saved": 1})[1] == {"undone": truth, "counts": [0] * 10}
    assert list((tmp_path / "digits").rglob("*.png")) == []
    assert [running.post("/undo", value)[0] for value in ({"saved": 1}, {"saved": 0}, {})] == [409, 409, 400]


def test_a_digit_that_was_missed_can_be_named_too(running, tmp_path):
    camera = Sequence(scene_frames("scene", Scene(seed=5)), source="scene")
    frame = camera.read()
    camera.close()
    known = frame.truth.digits
    running.show(Shot(frame, FrameResult("scene", 640, 480, (), ())))  # nothing was read
    _, still = running.post("/still", {})
    assert all(mark["digit"] is None for mark in still["marks"])
    named = [(i, true_digit(tuple(mark["box"]), frame.truth)) for i, mark in enumerate(still["marks"])]
    named = [(i, digit) for i, digit in named if digit is not None]
    assert len(named) >= 0.7 * len(known)
    for index, digit in named:
        assert running.post("/correct", {"still": still["still"], "mark": index, "digit": digit})[0] == 200
    assert sum(running.collection.counts) >= 0.7 * len(known)


def test_a_digit_that_touches_another_is_cut_by_its_box(running, tmp_path):
    image = np.full((240, 320, 3), 230, np.uint8)
    cv2.putText(image, "88", (60, 160), cv2.FONT_HERSHEY_SIMPLEX, 4, (30, 30, 30), 8, cv2.LINE_AA)
    image[120:128, 60:220] = 30  # a stroke through both: one mark
    digits = (Digit(8, 0.9, (64, 70, 70, 95)), Digit(8, 0.9, (146, 70, 70, 95)))
    running.show(Shot(Frame(image, 0, 0.0, "test"), FrameResult("test", 320, 240, digits, (2,))))
    _, still = running.post("/still", {})
    assert [mark["box"] for mark in still["marks"]] == [[64, 70, 70, 95], [146, 70, 70, 95]]
    assert running.post("/correct", {"still": still["still"], "mark": 0, "digit": 8})[1]["verdict"] == "saved"
    (path,) = (tmp_path / "digits" / "8").iterdir()
    assert cv2.imread(str(path)).shape[:2] == (95 + 2 * 19, 70 + 2 * 19)


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        ({"still": 1, "mark": 999, "digit": 3}, 400, "there are marks 0 to"),
        ({"still": 1, "mark": 0, "digit": 10}, 400, "digits 0 to 9"),
        ({"still": 1, "mark": -1, "digit": 3}, 400, "there are marks 0 to"),
        ({"still": 1, "mark": 0, "digit": True}, 400, "digit is a whole number"),
        ({"still": 1, "mark": 0}, 400, "digit is a whole number"),
        ({"still": 7, "mark": 0, "digit": 3}, 404, "isn't kept any more"),
        ({"still": 1, "mark": 0, "digit": 3, "path": "/etc"}, 400, "the body is an object with"),
    ],
)
def test_a_correction_that_makes_no_sense_saves_nothing(running, seen, tmp_path, value, status, said):
    running.show(seen[5])
    running.post("/still", {})
    got, text = running.post("/correct", value)
    assert got == status
    assert said in text
    assert not (tmp_path / "digits").exists()


def test_old_stills_are_let_go(running, seen):
    running.show(seen[5])
    numbers = [running.post("/still", {})[1]["still"] for _ in range(10)]
    assert [running.get(f"/still/{number}.jpg")[0] for number in numbers] == [404, 404] + [200] * 8


def test_without_a_folder_nothing_can_be_corrected(recognizer, tmp_path, seen):
    page = Running(recognizer, tmp_path, collects=False)
    page.show(seen[5])
    assert page.events()["state"]["counts"] is None
    page.post("/still", {})
    status, said = page.post("/correct", {"still": 1, "mark": 0, "digit": 3})
    assert (status, said) == (409, "corrections have no place: start edgits with --corrections DIR\n")
    page.page.close()


# whom it refuses


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "a b"]
)
def test_a_name_of_others_that_points_here_is_refused(running, host):
    status, _, said = running.get("/", Host=host)
    assert status in (400, 403)
    assert b"<html" not in said


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}", "192.168.1.7", socket.gethostname()]
)
def test_own_names_and_addresses_are_fine(running, host):
    assert running.get("/", Host=host.format(port=running.port))[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"Origin": "http://localhost:{port}", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:{other}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 403),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 403),
    ],
)
def test_another_sites_page_can_change_nothing(running, headers, status):
    filled = {name: value.format(port=running.port, other=running.port + 1) for name, value in headers.items()}
    given = {"Host": f"localhost:{running.port}", "Content_Type": "application/json"} | filled
    got, answer, _ = running.ask("POST", "/settings", '{"threshold": 0.7}', **given)
    assert got == status
    assert running.steering.choice.threshold == (0.7 if status == 200 else None)
    assert "Access-Control-Allow-Origin" not in answer


def test_another_sites_page_can_embed_nothing_but_may_link_here(running):
    for path in ("/stream.mjpg", "/events", "/metrics", "/page.js"):
        assert running.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert running.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert running.ask("OPTIONS", "/settings", Origin="http://evil.example")[0] in (403, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/page.js/../../server.py",
        "/still/../page.js.jpg",
        "/still/..%2f1.jpg",
        "/still/99999999999999999999.jpg",
        "/page/index.html",
        "/index.html",
        "/page.js%00.css",
    ],
)
def test_no_path_leads_elsewhere(running, path):
    assert running.get(path)[0] in (400, 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * (routes.MOST_BODY + 1), 413),
        (b'{"threshold": 0.5' + b" " * 10**6 + b"}", 413),
        (b"", 200),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 4000, 400),
        (b"9" * 4090, 400),
    ],
)
def test_a_body_is_small_and_json(running, body, status):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may hang up before all is sent
        assert running.ask("POST", "/settings", body, Content_Type="application/json")[0] == status
    assert running.steering.choice == Choice("nano")
    assert running.get("/")[0] == 200


def test_a_body_without_a_length_is_limited_too(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as link:
        link.sendall(b"POST /settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        link.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                link.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        assert b" 413 " in link.recv(100)


def test_who_sends_slowly_is_let_go(recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "_PATIENCE", 0.4)
    monkeypatch.setattr(routes, "_BODY_SECONDS", 0.4)
    page = Running(recognizer, tmp_path)
    head = b"POST /settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    for begun, answer in ((b"", b""), (head, b""), (head + b"\r\n{", b"HTTP/1.1 408")):
        with socket.create_connection(("127.0.0.1", page.port), timeout=30) as link:
            link.sendall(begun)
            start = time.monotonic()
            assert link.recv(12) == answer
            assert time.monotonic() - start < 5
    page.page.close()


@pytest.fixture
def guarded(recognizer, tmp_path, monkeypatch):
    monkeypatch.setenv(sink.TOKEN, "a-token-of-the-test")
    page = Running(recognizer, tmp_path, address=Address("0.0.0.0", 0))
    yield page
    page.page.close()


def test_beyond_loopback_the_page_needs_its_token(guarded, seen):
    guarded.show(seen[0])
    assert guarded.page.url.endswith(f":{guarded.port}/?token=a-token-of-the-test")
    for path in ("/", "/page.js", "/events", "/stream.mjpg", "/metrics", "/?token=wrong", "/?token=", "/?token=%ff%00"):
        status, headers, said = guarded.get(path)
        assert status == 401
        assert b"open the whole address" in said
        assert "Set-Cookie" not in headers
    assert guarded.get("/", Cookie=f"edgits-{guarded.port}=wrong")[0] == 401
    assert guarded.get("/metrics", Authorization="Bearer wrong")[0] == 401
    assert guarded.post("/settings", {"threshold": 0.7})[0] == 401
    assert guarded.steering.choice.threshold is None


def test_the_token_is_taken_once_and_kept_in_a_cookie(guarded, seen):
    guarded.show(seen[0])
    status, headers, _ = guarded.get("/?token=a-token-of-the-test")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    shown = cookie.partition(";")[0]
    assert guarded.get("/", Cookie=shown)[0] == 200
    assert guarded.post("/settings", {"threshold": 0.7}, Cookie=shown)[0] == 200
    assert guarded.post("/settings", {"threshold": 0.8}, Cookie=shown, Origin="http://evil.example")[0] == 403
    assert guarded.get("/metrics", Authorization="Bearer a-token-of-the-test")[0] == 200
    with guarded.open("/stream.mjpg?token=a-token-of-the-test") as link:  # what shows cameras knows no cookies
        assert Pictures(link).next().shape == (480, 640, 3)


def test_tokens_differ_and_weak_ones_are_refused(recognizer, tmp_path, monkeypatch):
    monkeypatch.delenv(sink.TOKEN, raising=False)
    tokens = set()
    for _ in range(3):
        page = Running(recognizer, tmp_path, address=Address("0.0.0.0", 0))
        tokens.add(page.page.url.partition("=")[2])
        page.page.close()
    assert len(tokens) == 3
    assert all(len(token) >= 20 for token in tokens)
    monkeypatch.setenv(sink.TOKEN, "short")
    with pytest.raises(OutputError, match=r"can't be used: give 16 or more"):
        Running(recognizer, tmp_path, address=Address("0.0.0.0", 0))


# clients that misbehave


def test_a_client_that_never_reads_holds_up_nobody(running, seen, monkeypatch):
    monkeypatch.setattr(streams, "_SEND_SECONDS", 0.5)
    with (
        running.open("/stream.mjpg", room=4096),
        running.open("/events", room=4096),
        running.open("/stream.mjpg") as good,
    ):
        until(lambda: running.feed.viewers == 2)
        stream, got = Pictures(good), threading.Event()
        threading.Thread(target=lambda: ([stream.next() for _ in range(20)], got.set()), daemon=True).start()
        slowest, end = 0.0, time.monotonic() + 20
        while not (got.is_set() and running.feed.viewers == 1) and time.monotonic() < end:
            for shot in seen:
                before = time.thread_time()
                running.page.put(replace(shot, frame=replace(shot.frame, time=0.0)))
                slowest = max(slowest, time.thread_time() - before)
                time.sleep(0.005)
        assert got.is_set()
        assert running.feed.viewers == 1  # who reads nothing was let go
        assert slowest < 0.02


def test_clients_that_come_and_go_leave_nothing_behind(running, seen):
    running.show(seen[0])
    threads = threading.active_count()
    for turn in range(40):
        links = [running.open(("/stream.mjpg", "/events", "/")[i % 3]) for i in range(4)]
        running.show(seen[turn % len(seen)])
        if turn % 2:
            assert links[0].recv(1000)
        for link in links:
            link.close()
    until(lambda: (running.show(seen[0]), running.feed.viewers == 0)[1])
    assert running.get("/")[0] == 200
    assert threading.active_count() <= threads + 2
    encoded = running.feed.encoded
    time.sleep(0.2)
    running.show(*seen[:5])
    time.sleep(0.2)
    assert running.feed.encoded <= encoded + 1  # nobody watches any more


def test_connections_are_limited(running, monkeypatch):
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 20)
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(60)]
        until(lambda: sum(bool(select.select([link], [], [], 0)[0]) for link in links) >= 60 - 20 - server._BACKLOG)
    until(lambda: _answers(running))


def _answers(running):
    try:
        return running.get("/")[0] == 200
    except OSError:
        return False


def test_viewers_are_limited(running, seen, monkeypatch):
    monkeypatch.setattr(streams, "_MOST_STREAMS", 3)
    running.show(seen[0])
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(running.open("/stream.mjpg"))
        until(lambda: running.feed.viewers == 3)
        assert running.get("/stream.mjpg")[0] == 503
        assert running.get("/")[0] == 200
    until(lambda: (running.show(seen[0]), running.feed.viewers == 0)[1])


def test_closing_ends_every_stream_at_once_and_frees_the_port(recognizer, tmp_path, seen):
    page = Running(recognizer, tmp_path)
    page.show(seen[0])
    with page.open("/stream.mjpg") as one, page.open("/events") as other:
        until(lambda: page.feed.viewers == 1)
        Pictures(one).next()
        start = time.monotonic()
        page.page.close()
        page.page.close()
        assert time.monotonic() - start < 3
        for link in (one, other):
            with contextlib.suppress(ConnectionResetError):
                while link.recv(65536):
                    pass
    page.show(seen[1])  # the loop may have one more
    again = Running(recognizer, tmp_path, address=Address("127.0.0.1", page.port))
    again.page.close()


# where it listens


def test_a_port_in_use_is_said_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            OutputError, match=rf"can't listen on 127.0.0.1:{port}: another program .*: --web 127.0.0.1:"
        ):
            server.listen(Address("127.0.0.1", port), option="--web")


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid", "a" * 80 + ".b"])
def test_an_address_that_is_not_here_is_said(host):
    with pytest.raises(OutputError, match=r"can't listen on "):
        server.listen(Address(host, 0), option="--web")


def test_files_are_shown_at_their_own_pace_and_live_cameras_at_once(running, seen):
    shots = [replace(seen[0], frame=replace(seen[0].frame, time=i / 20)) for i in range(5)]
    start = time.monotonic()
    for shot in shots:
        running.page.put(shot)
    assert 0.19 <= time.monotonic() - start < 1.5
    start = time.monotonic()
    for _ in range(20):
        running.page.put(replace(seen[0], frame=replace(seen[0].frame, time=0.0)))
    assert time.monotonic() - start < 0.5


# the command


def test_the_command_serves_and_ends_cleanly(tmp_path):
    lines = tmp_path / "live.jsonl"
    command = [sys.executable, "-m", "edgits", "live", "--source", "scene", "--model", "nano", "--headless"]
    command += ["--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--jsonl", str(lines)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        metrics = re.fullmatch(r"edgits: metrics at http://(127.0.0.1:\d+)/metrics\n", process.stderr.readline())[1]
        place = re.fullmatch(r"edgits: the page is at http://(127.0.0.1:\d+)/\n", process.stderr.readline())[1]
        until(lambda: lines.exists() and len(lines.read_text().splitlines()) > 5)
        for host, path, part in ((metrics, "/metrics", b"edgits_frames_total"), (place, "/", b"<title>edgits</title>")):
            link = http.client.HTTPConnection(host, timeout=30)
            link.request("GET", path)
            assert part in link.getresponse().read()
            link.close()
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert float(re.search(r"([\d.]+) fps", out)[1]) < 40  # the scene's own pace is 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--web", "127.0.0.1:{port}"], "another program has this port"),
        (["--metrics", "127.0.0.1:{port}"], "another program has this port; give a free one: --metrics"),
        (["--web", "http://host"], "is no address"),
        (["--web", "127.0.0.1:99999"], "ports go up to 65535"),
        (["--web", "no.such.host.invalid:80"], "can't listen on no.such.host.invalid:80"),
        (["--corrections", "digits"], "--corrections is for what the page corrects; add --web"),
        (["--web", "127.0.0.1:0", "--corrections", "{file}"], "is a file"),
    ],
)
def test_what_cannot_be_served_is_said_before_the_camera_is_opened(edgits, tmp_path, arguments, said):
    (tmp_path / "file").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        filled = [value.format(port=port, file=tmp_path / "file") for value in arguments]
        code, out, err = edgits("live", "--source", "/dev/video93", "--model", "nano", "--headless", *filled)
    assert (code, out) == (2, "")
    assert said in err
    assert "video93" not in err
    assert "Traceback" not in err


def test_without_the_packages_the_command_names_the_extra(edgits, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    code, _, err = edgits("live", "--source", "/dev/video93", "--web")
    assert code == 2
    assert "pip install 'edgits[web]'" in err
