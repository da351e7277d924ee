"""Recordings: every frame at its time, playable whatever happens, within their limit."""

import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgits.edge import record
from edgits.edge.background import Background
from edgits.edge.record import Recording, parts
from edgits.edge.sinks import Shot, Sink
from edgits.errors import OutputError


def frames_of(path: Path) -> tuple[int, float]:
    video = cv2.VideoCapture(str(path))
    fps, count = video.get(cv2.CAP_PROP_FPS), 0
    while video.read()[0]:
        count += 1
    video.release()
    return count, fps


def feed(sink: Sink, shots: Iterable[Shot]) -> None:
    for one in shots:
        sink.put(one)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_recording_opens_again_with_every_frame(tmp_path, shot, suffix, count):
    path = tmp_path / f"film{suffix}"
    sink = Recording(path)
    for index in range(count):
        assert sink.put(shot(index))
    sink.close()
    sink.close()
    found, fps = frames_of(path)
    assert found == count
    assert fps == pytest.approx(20 if count > 1 else 25, rel=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_recording_keeps_the_pace_of_uneven_frames(tmp_path, shot):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    rng = np.random.default_rng(1)
    times = 100 + np.cumsum(rng.choice([0.04, 0.05, 0.05, 0.1], 100))
    for index, time in enumerate(times):
        sink.put(shot(index, time=float(time)))
    sink.close()
    count, fps = frames_of(path)
    assert count / fps == pytest.approx(times[-1] - times[0], abs=0.2)


def test_a_long_gap_is_left_out_of_a_recording(tmp_path, shot):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    for index in range(20):
        sink.put(shot(index, time=index / 20 + (60 if index >= 10 else 0)))
    sink.put(shot(20, lost="camera lost"))
    sink.close()
    assert frames_of(path)[0] == 10 + 20 + 9


def test_frames_of_another_size_go_into_the_same_recording(tmp_path, shot):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    for index in range(20):
        sink.put(shot(index, shape=(240, 320) if index < 12 else (480, 640)))
    sink.close()
    assert frames_of(path)[0] == 20


def test_a_recording_ends_whole_before_the_disk_is_full(tmp_path, shot, monkeypatch):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    feed(sink, map(shot, range(60)))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    with pytest.raises(OutputError, match="ends here: 0 MB"):
        feed(sink, map(shot, range(60, 200)))
    assert frames_of(path)[0] >= 60


def test_a_recording_that_does_not_play_is_not_left_behind(tmp_path, shot, monkeypatch):
    sink = Recording(tmp_path / "film.mp4")
    sink.put(shot())
    monkeypatch.setattr(record, "_plays", lambda _: False)
    with pytest.raises(OutputError, match="was lost"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_is_missing_is_said(tmp_path, shot, monkeypatch):
    monkeypatch.setitem(record.CODECS, ".mp4", ("zzzz", ".ismv"))
    sink = Recording(tmp_path / "film.mp4")
    with pytest.raises(OutputError, match="no encoder"):
        feed(sink, map(shot, range(10)))
    assert list(tmp_path.iterdir()) == []


def test_a_recording_of_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"must end in \.mp4 or \.avi"):
        Recording(tmp_path / "film.gif")


def test_a_limited_recording_deletes_its_oldest_parts_and_goes_on_where_it_stopped(tmp_path, shot):
    path, limit = tmp_path / "film.mp4", 8 * 2**20
    (tmp_path / "film-old.mp4").write_text("somebody else's")
    for _ in range(2):
        sink = Recording(path, limit=limit)
        feed(sink, (shot(index, noise=True) for index in range(300)))
        sink.close()
    files = parts(path, numbered=True)
    assert 3 < len(files) < 12
    assert files[0].name != "film-00001.mp4"
    numbers = [int(file.stem[-5:]) for file in files]
    assert numbers == list(range(numbers[0], numbers[0] + len(files)))
    assert sum(file.stat().st_size for file in files) <= limit
    assert all(frames_of(file)[0] >= 1 for file in files)
    assert (tmp_path / "film-old.mp4").exists()
    assert not path.exists()


def test_a_limit_that_is_too_small_is_told(tmp_path):
    with pytest.raises(OutputError, match="too small"):
        Recording(tmp_path / "film.mp4", limit=1000)


ENDS_BADLY = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
from edgits.edge import capture
from edgits.edge.frame import Frame
from edgits.edge.record import Recording
from edgits.edge.results import FrameResult
from edgits.edge.sinks import Shot
from edgits.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
rng, sink = np.random.default_rng(0), Recording(Path(sys.argv[1]))
images = [rng.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(10)]
try:
    for i in range(1300):
        sink.put(Shot(Frame(images[i % 10], i, i / 30, "x"), FrameResult("x", 160, 120, (), ())))
        if sys.argv[2] == "kill" and i == 200:
            os.kill(os.getpid(), signal.SIGKILL)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("end", ["kill", "full"])
def test_a_recording_plays_after_a_kill_and_on_a_full_disk(tmp_path, suffix, end):
    path = tmp_path / f"film{suffix}"
    command = [sys.executable, "-c", ENDS_BADLY, str(path), end]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stderr == ""
    if end == "kill":
        assert run.returncode == -9
        assert 150 < frames_of(path)[0] <= 201
    else:
        assert run.returncode == 0
        assert "ends here: the file can't grow; is the disk full?" in run.stdout
        assert frames_of(path)[0] > 20
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


class Slow:
    """A sink that waits for `go` before each shot."""

    def __init__(self) -> None:
        self.shots: list[Shot] = []
        self.go, self.closed = threading.Event(), False

    def put(self, shot: Shot) -> bool:
        self.go.wait(20)
        if shot.frame.index == 13:
            raise RuntimeError("unlucky")
        self.shots.append(shot)
        return True

    def close(self) -> None:
        self.closed = True


def test_a_slow_sink_holds_up_no_live_camera_and_loses_no_frame_of_a_file(shot):
    slow = Slow()
    sink = Background(slow)
    for index in range(100, 200):
        assert sink.put(shot(index, age_ms=1.0))  # would wait for ever
    slow.go.set()
    for index in range(200, 300):
        sink.put(shot(index))
    sink.close()
    indices = [one.frame.index for one in slow.shots]
    assert len(indices) < 130
    assert indices[-100:] == list(range(200, 300))
    assert slow.closed


def test_what_fails_in_the_background_is_told_once(shot):
    slow = Slow()
    slow.go.set()
    sink = Background(slow)
    with pytest.raises(OutputError, match="unlucky"):
        feed(sink, [shot(13)] * 100_000)
    sink.close()
    last = Background(slow)
    last.put(shot(13))
    with pytest.raises(OutputError, match="unlucky"):
        last.close()
