import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.edge.frame import Camera, Frame, Status, Truth
from edgits.edge.lines import JsonLines
from edgits.edge.live import Summary, count_hits, live, watch
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit
from edgits.edge.runtimes import Floats
from edgits.edge.sinks import Shot
from edgits.errors import CameraError, ModelError, OutputError


class SevenRuntime:
    """Says 7 to everything, and counts what it was asked."""

    name, version = "fake", "1"
    input, output = TensorSpec((28, 28, 1)), TensorSpec((10,))

    def __init__(self) -> None:
        self.asked = 0

    def run(self, batch: Floats) -> Floats:
        self.asked += len(batch)
        scores = np.zeros((len(batch), 10), np.float32)
        scores[:, 7] = 9
        return scores


class ScriptedCamera(Camera):
    """Gives frames, and None where the camera is lost, as its script has them."""

    live = True

    def __init__(self, script: list[Frame | None]) -> None:
        self.source, self.script, self.closed = "scripted", script, False
        self._status = Status("running")

    @property
    def status(self) -> Status:
        return self._status

    def read(self, timeout: float | None = None) -> Frame | None:
        if not self.script:
            self._status = Status("ended")
            return None
        frame = self.script.pop(0)
        self._status = Status("running") if frame else Status("lost", "it was unplugged", retries=1)
        return frame

    def close(self) -> None:
        self.closed = True


def page(index: int = 0, *, count: int = 1, truth: bool = False) -> Frame:
    image = np.full((240, 320, 3), 230, np.uint8)
    boxes = []
    for place in range(count):
        x = 60 + 60 * place
        points = np.array([[x, 80], [x + 36, 80], [x + 14, 140]], np.int32)
        cv2.polylines(image, [points], False, (30, 30, 30), 6, cv2.LINE_AA)
        boxes.append((7, (x - 4, 74, 46, 72)))
    known = Truth(tuple(boxes), "7" * count) if truth else None
    return Frame(image, index, index / 30, "scripted", known)


def reader() -> Reader:
    runtime = SevenRuntime()
    card = ModelCard(name="seven", format="fake", labels=DIGITS, input=runtime.input, output=runtime.output)
    return Reader(Recognizer(runtime, card))


class Keeper:
    """A sink that keeps all shots; may fail, or ask for the end."""

    def __init__(self, *, fails_at: int = -1, ends_at: int = -1, fails_closing: bool = False) -> None:
        self.shots: list[Shot] = []
        self.closed = 0
        self.fails_at, self.ends_at, self.fails_closing = fails_at, ends_at, fails_closing

    def put(self, shot: Shot) -> bool:
        if len(self.shots) == self.fails_at:
            raise OutputError("the disk is full")
        self.shots.append(shot)
        return len(self.shots) != self.ends_at

    def close(self) -> None:
        self.closed += 1
        if self.fails_closing:
            raise OutputError("it can't be finished")


def test_every_frame_is_read_tracked_and_handed_on():
    keeper = Keeper()
    shots = list(watch(ScriptedCamera([page(i, count=2) for i in range(6)]), reader(), sinks=[keeper]))
    assert shots == keeper.shots
    assert keeper.closed == 1
    assert [shot.result.text for shot in shots] == ["77"] * 6
    assert [shot.result.frame for shot in shots] == list(range(6))
    assert [digit.track for digit in shots[-1].result.digits] == [1, 2]
    assert shots[-1].result.digits[0].stable
    assert {"find", "classify", "track"} <= shots[0].result.timings.keys()


def test_fps_counts_intervals():
    shots = list(watch(ScriptedCamera([page(i) for i in range(3)]), reader()))
    assert shots[0].fps is None
    assert shots[1].fps is not None


def test_while_the_camera_is_lost_nothing_is_read_or_reported(tmp_path):
    runtime_asked = []
    camera, eyes = ScriptedCamera([page(0), None, None, page(30)]), reader()
    lines, keeper = JsonLines(tmp_path / "out.jsonl"), Keeper()
    for _ in watch(camera, eyes, sinks=[lines, keeper]):
        runtime_asked.append(eyes.recognizer.runtime.asked)
    assert runtime_asked == [1, 1, 1, 2]
    assert [shot.lost for shot in keeper.shots] == [None] + ["camera lost: it was unplugged"] * 2 + [None]
    assert keeper.shots[1].result.digits == ()
    assert keeper.shots[1].frame.index == 0
    lines_written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line.get("lost") for line in lines_written] == [None, "camera lost: it was unplugged", None]
    assert lines_written[1]["digits"] == []


def test_the_loop_ends_when_asked():
    assert len(list(watch(ScriptedCamera([page(i) for i in range(9)]), reader(), max_frames=4))) == 4
    keeper = Keeper(ends_at=3)
    assert len(list(watch(ScriptedCamera([page(i) for i in range(9)]), reader(), sinks=[keeper]))) == 3
    seen: list[Shot] = []
    seen.extend(watch(ScriptedCamera([page(i) for i in range(9)]), reader(), ended=lambda: len(seen) >= 0))
    assert seen == []


def test_a_sink_that_fails_is_let_go_and_the_loop_runs_on():
    good, bad, told = Keeper(), Keeper(fails_at=2), []
    shots = list(watch(ScriptedCamera([page(i) for i in range(5)]), reader(), sinks=[bad, good], report=told.append))
    assert (len(shots), len(good.shots), len(bad.shots)) == (5, 5, 2)
    assert told == ["the disk is full"]
    assert (good.closed, bad.closed) == (1, 1)


def test_a_sink_that_cannot_be_finished_is_told_and_the_others_are_finished():
    good, told = Keeper(), []
    list(watch(ScriptedCamera([page()]), reader(), sinks=[Keeper(fails_closing=True), good], report=told.append))
    assert told == ["it can't be finished"]
    assert good.closed == 1


def test_sinks_are_closed_when_the_camera_fails_or_the_caller_leaves():
    class Broken(ScriptedCamera):
        def read(self, timeout: float | None = None) -> Frame | None:
            raise CameraError("it burns")

    keeper = Keeper()
    with pytest.raises(CameraError, match="it burns"):
        list(watch(Broken([]), reader(), sinks=[keeper]))
    left = Keeper()
    loop: Iterator[Shot] = watch(ScriptedCamera([page(i) for i in range(9)]), reader(), sinks=[left])
    next(loop)
    loop.close()
    assert (keeper.closed, left.closed) == (1, 1)


def test_the_summary_scores_against_the_truth():
    summary = Summary()
    for shot in watch(ScriptedCamera([page(i, count=2, truth=True) for i in range(4)] + [None]), reader()):
        summary.add(shot)
    assert (summary.frames, summary.known, summary.exact) == (4, 4, 4)
    assert summary.f1 == 1.0
    assert "digit F1 1.000 · text exact in 100.0 % of frames" in str(summary)
    assert str(Summary()) == "0 frames"


def test_without_truth_there_is_no_score():
    summary = Summary()
    for shot in watch(ScriptedCamera([page()]), reader()):
        summary.add(shot)
    assert summary.f1 is None
    assert summary.fps is None
    assert "F1" not in str(summary)
    assert str(summary).startswith("1 frame ·")


def test_the_memory_is_told_as_the_frames_become_tenfold():
    summary = Summary()
    (shot,) = watch(ScriptedCamera([page()]), reader())
    for _ in range(1001):
        assert list(summary.resident) == [count for count in (100, 1000) if count <= summary.frames]
        summary.add(shot)
    assert re.search(r"memory (\d+) MB after 100, (\d+) MB after 1,000 frames, (\d+) MB at the end$", str(summary))


def test_a_hit_needs_the_digit_the_place_and_a_truth_of_its_own():
    truth = Truth(((7, (10, 10, 20, 20)), (3, (50, 10, 20, 20))), "73")
    here, there = (12, 12, 16, 16), (52, 12, 16, 16)
    assert count_hits([Digit(7, 1, here), Digit(3, 1, there)], truth) == 2
    assert count_hits([Digit(3, 1, here), Digit(7, 1, there)], truth) == 0
    assert count_hits([Digit(7, 1, here), Digit(7, 1, here)], truth) == 1


def test_the_library_call_says_what_is_missing(tmp_path: Path):
    with pytest.raises(ModelError, match="there is no model"):
        next(live("scene", model="nowhere.tflite"))
