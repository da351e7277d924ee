import io
import json
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgits.edge import record, sinks
from edgits.edge.frame import Frame
from edgits.edge.record import Recording
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import JsonLines, Sheet, Shot, Sink, Window, why_no_window, write_image
from edgits.errors import OutputError


def shot(
    index: int = 0, *, time: float | None = None, lost: str | None = None, shape: tuple[int, int] = (240, 320)
) -> Shot:
    image = np.full((*shape, 3), index // 2 % 256, np.uint8)
    frame = Frame(image, index, index / 20 if time is None else time, "test")
    digits = () if lost else (Digit(7, 0.98, (10, 20, 30, 40), 3, True), Digit(0, 0.5, (50, 20, 30, 40), 4, False))
    result = FrameResult("test", shape[1], shape[0], digits, (2,) if digits else (), {"find": 4.0}, index)
    return Shot(frame, result, 20.0, lost)


def feed(sink: Sink, count: int) -> None:
    for index in range(count):
        sink.put(shot(index))


def frames_of(path: Path) -> tuple[int, float]:
    video = cv2.VideoCapture(str(path))
    fps, count = video.get(cv2.CAP_PROP_FPS), 0
    while video.read()[0]:
        count += 1
    video.release()
    return count, fps


def test_json_lines_are_the_contract_and_there_at_once(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    sink = JsonLines(path)
    assert not path.exists()
    assert sink.put(shot(5))
    assert json.loads(path.read_text()) == {
        "source": "test",
        "frame": 5,
        "width": 320,
        "height": 240,
        "digits": [
            {"digit": 7, "confidence": 0.98, "box": [10, 20, 30, 40], "track": 3, "stable": True},
            {"digit": 0, "confidence": 0.5, "box": [50, 20, 30, 40], "track": 4, "stable": False},
        ],
        "text": "70",
        "latency_ms": 4.0,
    }
    sink.put(shot(6, lost="camera lost"))
    sink.put(shot(7))
    sink.close()
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == [5, 7]


def test_a_dash_is_the_standard_output(capsys):
    sink = JsonLines(Path("-"))
    sink.put(shot())
    sink.close()
    print("still open")  # noqa: T201 - a sink mustn't close what isn't its own
    assert json.loads(capsys.readouterr().out.splitlines()[0])["text"] == "70"


def test_json_lines_on_a_full_disk_say_so(tmp_path):
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    sink = JsonLines(tmp_path / "out.jsonl")
    sink._file = Full()
    with pytest.raises(OutputError, match="No space left"):
        sink.put(shot())


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_recording_opens_again_with_every_frame(tmp_path, suffix, count):
    path = tmp_path / f"film{suffix}"
    sink = Recording(path)
    for index in range(count):
        assert sink.put(shot(index))
    assert not path.exists()
    sink.close()
    sink.close()
    found, fps = frames_of(path)
    assert found == count
    assert fps == pytest.approx(20 if count > 1 else 25, rel=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_recording_keeps_the_pace_of_uneven_frames(tmp_path):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    rng = np.random.default_rng(1)
    times = 100 + np.cumsum(rng.choice([0.04, 0.05, 0.05, 0.1], 100))
    for index, time in enumerate(times):
        sink.put(shot(index, time=float(time)))
    sink.close()
    count, fps = frames_of(path)
    assert count / fps == pytest.approx(times[-1] - times[0], abs=0.2)


def test_a_long_gap_is_left_out_of_a_recording(tmp_path):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    for index in range(20):
        sink.put(shot(index, time=index / 20 + (60 if index >= 10 else 0)))
    sink.put(shot(20, lost="camera lost"))
    sink.close()
    assert frames_of(path)[0] == 10 + 20 + 9


def test_frames_of_another_size_go_into_the_same_recording(tmp_path):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    for index in range(20):
        sink.put(shot(index, shape=(240, 320) if index < 12 else (480, 640)))
    sink.close()
    assert frames_of(path)[0] == 20


def test_a_recording_ends_whole_before_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "film.mp4"
    sink = Recording(path)
    feed(sink, 60)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    with pytest.raises(OutputError, match="ends here: 0 MB"):
        [sink.put(shot(index)) for index in range(60, 200)]
    assert frames_of(path)[0] >= 60


def test_a_recording_that_does_not_play_is_not_left_behind(tmp_path, monkeypatch):
    sink = Recording(tmp_path / "film.mp4")
    sink.put(shot())
    monkeypatch.setattr(record, "_plays", lambda _: False)
    with pytest.raises(OutputError, match="was lost"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(record.CODECS, ".mp4", "zzzz")
    sink = Recording(tmp_path / "film.mp4")
    with pytest.raises(OutputError, match="no encoder"):
        feed(sink, 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sink", [Recording, Sheet, JsonLines])
def test_a_run_without_frames_leaves_nothing(tmp_path, sink):
    sink(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sink", [Recording, Sheet, JsonLines])
def test_places_that_cannot_be_written_are_told_before_the_first_frame(tmp_path, sink):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.mp4").mkdir()
    for path in (tmp_path / "file" / "out.mp4", tmp_path / "folder.mp4", Path("/proc/out.mp4")):
        with pytest.raises(OutputError, match="can't write"):
            sink(path)


def test_a_recording_of_another_suffix_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"must end in \.mp4 or \.avi"):
        Recording(tmp_path / "film.gif")


@pytest.mark.parametrize(("frames", "tiles"), [(1, 1), (2, 2), (9, 9), (500, 9)])
def test_a_sheet_holds_frames_of_the_whole_run(tmp_path, frames, tiles):
    path = tmp_path / "sheet.png"
    sink = Sheet(path)
    for index in range(frames):
        sink.put(shot(index))
        assert len(sink._kept) < 36
    sink.close()
    sheet = cv2.imread(str(path))
    assert sheet is not None
    tall = shot().picture.shape[0]
    columns, rows = min(3, tiles), -(-tiles // 3)
    assert sheet.shape == (rows * (tall + 8) + 8, columns * (320 + 8) + 8, 3)
    if frames == 500:
        greys = [int(sheet[8 + 150 + row * (tall + 8), 8 + 200 + col * 328, 0]) for row in range(3) for col in range(3)]
        assert len(set(greys)) == 9


def test_a_sheet_of_an_unknown_format_is_told(tmp_path):
    with pytest.raises(OutputError, match="no image format"):
        write_image(tmp_path / "sheet.xyz", shot().picture)


class FakeScreen:
    """Stands for OpenCV's windows."""

    def __init__(self, monkeypatch, keys: list[int]) -> None:
        self.shown: list[np.ndarray] = []
        self.keys, self.visible = keys, 1.0
        monkeypatch.setattr(sinks, "why_no_window", lambda: None)
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "resizeWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "destroyAllWindows", lambda: self.shown.clear())
        monkeypatch.setattr(cv2, "imshow", lambda _, image: self.shown.append(image))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.keys.pop(0) if self.keys else -1)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_a_window_shows_frames_until_a_key_ends_it(monkeypatch, key):
    screen = FakeScreen(monkeypatch, [-1, ord("x"), key])
    window = Window()
    assert [window.put(shot(i)) for i in range(3)] == [True, True, False]
    assert (screen.shown[2] == shot(2).picture).all()
    window.close()
    assert screen.shown == []


def test_closing_the_window_ends(monkeypatch):
    screen = FakeScreen(monkeypatch, [])
    window = Window()
    assert window.put(shot(0))
    screen.visible = 0.0
    assert not window.put(shot(1))


def test_where_there_is_no_display_the_reason_is_one_line(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    reason = why_no_window()
    assert reason is not None
    assert "no display" in reason
    assert "\n" not in reason
    with pytest.raises(OutputError, match="no display"):
        Window()


def test_a_display_is_believed_only_if_it_answers(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "w")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:        QT5")
    assert "no display" in str(why_no_window())
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "w"))
        server.listen()
        assert why_no_window() is None
        monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:        NONE")
        assert "pip install --force-reinstall --no-deps opencv-python" in str(why_no_window())
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setenv("DISPLAY", ":987")
    assert "no display" in str(why_no_window())
