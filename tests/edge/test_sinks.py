import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgits.edge import sinks
from edgits.edge.lines import CsvLines, JsonLines
from edgits.edge.record import Recording
from edgits.edge.sinks import Sheet, Window, why_no_window, write_image
from edgits.errors import OutputError


@pytest.mark.parametrize("sink", [Recording, Sheet, JsonLines, CsvLines])
def test_a_run_without_frames_leaves_nothing(tmp_path, sink):
    sink(tmp_path / "out.mp4").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sink", [Recording, Sheet, JsonLines, CsvLines])
def test_places_that_cannot_be_written_are_told_before_the_first_frame(tmp_path, sink):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.mp4").mkdir()
    for path in (tmp_path / "file" / "out.mp4", tmp_path / "folder.mp4", Path("/proc/out.mp4")):
        with pytest.raises(OutputError, match="can't write"):
            sink(path)


@pytest.mark.parametrize(("frames", "tiles"), [(1, 1), (2, 2), (9, 9), (500, 9)])
def test_a_sheet_holds_frames_of_the_whole_run(tmp_path, shot, frames, tiles):
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


def test_a_sheet_of_an_unknown_format_is_told(tmp_path, shot):
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
def test_a_window_shows_frames_until_a_key_ends_it(monkeypatch, shot, key):
    screen = FakeScreen(monkeypatch, [-1, ord("x"), key])
    window = Window()
    assert [window.put(shot(i)) for i in range(3)] == [True, True, False]
    assert (screen.shown[2] == shot(2).picture).all()
    window.close()
    assert screen.shown == []


def test_closing_the_window_ends(monkeypatch, shot):
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
