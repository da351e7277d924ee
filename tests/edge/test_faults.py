"""Everything that may go wrong with a camera, through the whole loop with a shipped model.

The camera is a fake one that sees a page of the scene. Whatever it does: the loop goes on or ends
cleanly, what is written is whole, and nothing is reported but what the page says.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from edgits.edge import record
from edgits.edge.background import Background
from edgits.edge.fake import FakeCamera
from edgits.edge.grabber import STALL, Grabber
from edgits.edge.lines import CsvLines, JsonLines
from edgits.edge.live import watch
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.record import Recording
from edgits.edge.scene import Scene
from edgits.edge.sinks import Shot
from edgits.errors import CameraError

LIMIT = 60.0
SCENE = Scene(width=320, height=240)
PAGE, TRUTH = SCENE.frame(20)
BAD = ["fail", "none", "black", "half", "grey half", "short", "corrupt", "raise"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    reader = Reader(Recognizer.load("nano"))
    assert reader.read(PAGE, source="x").text == TRUTH.text
    return reader


@pytest.fixture
def fake() -> Iterator[Callable[..., FakeCamera]]:
    made: list[FakeCamera] = []

    def make(*script: str, then: str = "good", interval: float = 0.01, view=PAGE) -> FakeCamera:
        made.append(FakeCamera(script, then=then, view=view, interval=interval))
        return made[-1]

    yield make
    for camera in made:
        camera.wake.set()


class Run:
    """Runs the loop over fake cameras, each the device that the next opening gives, until `enough` of the shots."""

    def __init__(self, reader: Reader, folder: Path, *devices: FakeCamera | None, stall: float = 0.3) -> None:
        self.reader, self.folder, self.stall = reader, folder, stall
        self.devices = list(devices)
        self.shots: list[Shot] = []
        self.said: list[str] = []

    def until(self, enough: Callable[[list[Shot]], bool]) -> list[Shot]:
        files = [self.folder / name for name in ("out.jsonl", "out.csv", "out.mp4")]
        sinks = [JsonLines(files[0]), CsvLines(files[1]), Background(Recording(files[2]))]
        grabber = Grabber(self._open, source="fake", report=self.said.append, stall=self.stall, pauses=(0.05, 0.1, 0.2))
        end = time.monotonic() + LIMIT
        with grabber as camera:
            for shot in watch(camera, self.reader, sinks=sinks, report=self.said.append):
                self.shots.append(shot)
                if enough(self.shots) or time.monotonic() > end:
                    break
        assert enough(self.shots)
        self._check(*files)
        return self.shots

    def _open(self) -> FakeCamera:
        device = self.devices.pop(0) if len(self.devices) > 1 else self.devices[0]
        if device is None:
            raise CameraError("it is unplugged")
        return device

    def _check(self, jsonl: Path, csv: Path, film: Path) -> None:
        for shot in self.shots:
            assert shot.result.text == ("" if shot.lost else TRUTH.text)
        lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
        assert {line["text"] for line in lines} <= {TRUTH.text, ""}
        assert sum("lost" not in line for line in lines) == sum(shot.lost is None for shot in self.shots)
        assert csv.read_text().endswith("\n")
        assert plays(film)


def plays(path: Path) -> int:
    video, count = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        count += 1
    video.release()
    return count


def good(count: int) -> Callable[[list[Shot]], bool]:
    return lambda shots: sum(shot.lost is None for shot in shots) >= count


def back_again(shots: list[Shot]) -> bool:
    lost = [index for index, shot in enumerate(shots) if shot.lost]
    return bool(lost) and len(shots) - lost[-1] > 5


@pytest.mark.parametrize("event", BAD)
def test_one_bad_read_changes_nothing(reader, fake, tmp_path, event):
    run = Run(reader, tmp_path, fake("good", "good", event, "good", "good", event), stall=LIMIT)
    shots = run.until(good(12))
    assert not any(shot.lost for shot in shots)
    assert run.said == []
    assert all(shot.result.age_ms < 1000 * LIMIT for shot in shots)


@pytest.mark.parametrize("event", ["fail", "none", "black", "half", "grey half", "corrupt", "raise", "hang"])
def test_a_camera_that_goes_on_failing_is_lost_and_comes_back(reader, fake, tmp_path, event):
    run = Run(reader, tmp_path, fake(*["good"] * 5, then=event), None, None, fake())
    shots = run.until(back_again)
    assert "camera lost: " in next(shot.lost for shot in shots if shot.lost)
    assert [line for line in run.said if "is back" in line]
    assert shots[-1].frame.index > 5


def test_a_camera_that_fails_for_ever_is_tried_for_ever_and_never_read(reader, fake, tmp_path):
    run = Run(reader, tmp_path, fake(*["good"] * 3, then="fail"), None)
    shots = run.until(lambda shots: sum("unplugged" in (shot.lost or "") for shot in shots) > 4)
    assert sum(shot.lost is None for shot in shots) <= 3
    assert len(run.said) == 1  # once, not at each try
    assert "'fake' is lost" in run.said[0]


def test_a_hang_is_noticed_within_two_seconds(reader, fake, tmp_path):
    stuck = fake(*["good"] * 5, then="hang")
    times: dict[int, float] = {}

    def noticed(shots: list[Shot]) -> bool:
        times.setdefault(len(shots), time.monotonic())
        return shots[-1].lost is not None

    run = Run(reader, tmp_path, stuck, None, stall=STALL)
    shots = run.until(noticed)
    assert run.said == ["'fake' hangs: no picture for 1.7 s; trying to open it again"]
    assert times[len(shots)] - times[len(shots) - 1] < 2.0


def test_threads_that_hang_for_ever_are_few(reader, fake, tmp_path):
    devices = [fake("good", then="hang") for _ in range(30)]
    before = threading.active_count()
    end = time.monotonic() + 3
    Run(reader, tmp_path, *devices, stall=0.05).until(lambda shots: time.monotonic() > end)
    assert sum(device.reads > 0 for device in devices) >= 4
    assert threading.active_count() - before <= 6


def test_a_change_of_resolution_goes_through(reader, fake, tmp_path):
    large, truth = Scene(width=640, height=480).frame(20)
    assert truth.text == TRUTH.text

    class Changing(FakeCamera):
        def read(self):
            if self.reads == 10:
                self._view = large
            return super().read()

    shots = Run(reader, tmp_path, Changing(view=PAGE, interval=0.01), stall=LIMIT).until(good(25))
    assert [shots[0].result.width, shots[-1].result.width] == [320, 640]
    assert not any(shot.lost for shot in shots)


def test_one_frame_a_second_is_enough(reader, fake, tmp_path):
    run = Run(reader, tmp_path, fake(interval=1.0), stall=STALL)
    shots = run.until(good(3))
    assert not any(shot.lost for shot in shots)
    assert shots[-1].result.age_ms < 1000
    assert run.said == []


def test_a_full_disk_ends_the_recording_and_not_the_loop(reader, fake, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    monkeypatch.setattr(record, "_CHECK_EVERY", 5)
    run = Run(reader, tmp_path, fake())
    run.until(good(40))
    assert run.said == [f"the recording '{tmp_path / 'out.mp4'}' ends here: 0 MB are left on the disk"]


PROCESS = """
import sys
from edgits.cli import main
from edgits.edge import capture
from edgits.edge.fake import FakeCamera
from edgits.edge.scene import Scene
view = Scene(width=320, height=240).frame(20)[0]
capture.open_device = lambda path, wish: FakeCamera(["good"] * 40, then={then!r}, view=view, interval=0.01)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("then", ["good", "fail", "hang"])
def test_a_signal_ends_cleanly_whatever_the_camera_does(tmp_path, number, then):
    files = [tmp_path / name for name in ("out.jsonl", "out.csv", "out.mp4")]
    outputs = ["--jsonl", files[0], "--csv", files[1], "--record", files[2]]
    arguments = ["live", "--source", "7", "--model", "nano", "--headless", *outputs]
    command = [sys.executable, "-c", PROCESS.format(then=then), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and run.poll() is None:
            lines = files[0].read_text().splitlines() if files[0].exists() else []
            if len(lines) > 20 and (then == "good" or "lost" in lines[-1]):
                break
            time.sleep(0.05)
        run.send_signal(number)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    assert "Traceback" not in err
    assert " frames · " in out
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert {line["text"] for line in lines} <= {TRUTH.text, ""}
    assert [line for line in lines if "lost" in line] if then != "good" else True
    assert files[1].read_text().endswith("\n")
    assert plays(files[2]) > 10
