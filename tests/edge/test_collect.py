"""Collecting digits: what is saved, what is left out, what the keys do, and the whole loop to a model of one's own."""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits import files
from edgits.edge import sinks
from edgits.edge.collect import Session, View, collect, nearest, overlap, true_digit
from edgits.edge.collect_view import CollectWindow, draw_view
from edgits.edge.collection import Collection, fingerprint, sharpness
from edgits.edge.fake import FakeCamera
from edgits.edge.find import look
from edgits.edge.frame import Frame, Truth
from edgits.edge.grabber import Grabber
from edgits.edge.overlay import bar_height
from edgits.edge.recognizer import Recognizer
from edgits.edge.scene import Scene
from edgits.edge.sequence import Sequence, scene_frames
from edgits.errors import OutputError
from edgits.train.data import load_dataset

NO_KEY = 255


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load("small")


@pytest.fixture
def crops(mnist5k):
    """Dark ink on paper, of different writers: crops(digit, count)."""

    def choose(digit: int, count: int) -> list[np.ndarray]:
        chosen = mnist5k.images[mnist5k.labels == digit][:count]
        return [cv2.resize(255 - image, (56, 56), interpolation=cv2.INTER_CUBIC) for image in chosen]

    return choose


@pytest.fixture
def collection(tmp_path):
    return Collection(tmp_path / "digits", report=pytest.fail)


def page(*places: tuple[int, int], index: int = 0, size: tuple[int, int] = (480, 640)) -> Frame:
    """A sheet with a hand-drawn 4 at each place (its centre)."""
    image = np.full((*size, 3), 220, np.uint8)
    for x, y in places:
        stroke = np.array([(x - 4, y - 40), (x - 24, y + 8), (x + 22, y + 8)], np.int32)
        cv2.polylines(image, [stroke], False, (40, 40, 40), 6, cv2.LINE_AA)
        cv2.line(image, (x + 4, y - 18), (x + 4, y + 40), (40, 40, 40), 6, cv2.LINE_AA)
    return Frame(image, index, index / 30, "test")


def saved_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# what is saved, and what is left out


def test_crops_are_saved_as_they_are_where_train_reads_them(collection, crops, tmp_path):
    seven, two = crops(7, 1)[0], crops(2, 1)[0]
    assert [collection.add(seven, 7), collection.add(two, 2)] == ["saved", "saved"]
    folder = tmp_path / "digits"
    assert saved_in(folder) == ["2/00001.png", "7/00001.png"]
    assert (cv2.imread(str(folder / "7" / "00001.png"), cv2.IMREAD_UNCHANGED) == seven).all()
    data = load_dataset(str(folder))
    assert data.provenance["per_class"] == list(collection.counts) == [0, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    assert data.provenance["unreadable"] == []
    assert data.provenance["left_out"] == {}


def test_nearly_the_same_image_is_left_out_and_counted(collection, crops):
    image = crops(3, 1)[0]
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    darker = np.clip(0.8 * image + noise, 0, 255).astype(np.uint8)
    shifted = cv2.warpAffine(image, np.float32([[1, 0, 2], [0, 1, -1]]), (56, 56), borderValue=255)
    assert [collection.add(one, 3) for one in (image, image, darker, shifted)] == ["saved"] + 3 * ["duplicate"]
    assert (collection.duplicates, collection.counts[3]) == (3, 1)
    assert collection.add(image, 8) == "saved"  # of another digit it is another image


@pytest.mark.parametrize("digit", [0, 2, 5, 7])
def test_other_writing_of_the_same_digit_is_saved(collection, crops, digit):
    verdicts = [collection.add(crop, digit) for crop in crops(digit, 40)]
    assert verdicts.count("saved") >= 37
    assert collection.blurred == 0


def test_a_blurred_image_is_left_out_and_counted(collection, crops):
    image = crops(5, 1)[0]
    assert collection.add(cv2.GaussianBlur(image, (0, 0), 6), 5) == "blurred"
    assert collection.add(image, 5) == "saved"
    assert (collection.blurred, len(collection.saved)) == (1, 1)


def test_pale_ink_is_as_sharp_as_dark_and_a_large_crop_as_a_small_one(crops):
    for image in crops(8, 10):
        pale = (200 + 0.2 * (image.astype(float) - 255)).astype(np.uint8)
        large = cv2.resize(image, (560, 560), interpolation=cv2.INTER_LINEAR)
        assert sharpness(pale) == pytest.approx(sharpness(image), rel=0.25)
        assert sharpness(large) == pytest.approx(sharpness(image), rel=0.35)
        blurs = [sharpness(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1.5, 3, 6)]
        assert blurs == sorted(blurs, reverse=True)


def test_an_empty_crop_is_nothing(collection):
    empty = np.full((40, 40), 200, np.uint8)
    assert collection.add(empty, 0) == "blurred"
    assert np.isfinite(fingerprint(empty)).all()


def test_a_folder_begun_earlier_is_gone_on_with(crops, tmp_path):
    first, second = crops(7, 2)
    earlier = Collection(tmp_path, report=pytest.fail)
    earlier.add(first, 7)
    (tmp_path / "7" / "mine.jpg").write_bytes(cv2.imencode(".jpg", second)[1].tobytes())
    (tmp_path / "7" / "00003.png").write_bytes(b"no image")
    told: list[str] = []
    later = Collection(tmp_path, report=told.append)
    assert later.counts[7] == 2
    assert "00003.png" in told[0]
    assert [later.add(one, 7) for one in (first, second)] == ["duplicate", "duplicate"]
    assert later.add(crops(7, 3)[2], 7) == "saved"
    assert saved_in(tmp_path) == ["7/00001.png", "7/00003.png", "7/00004.png", "7/mine.jpg"]
    assert (later.undo(), later.undo())[1] is None  # what was there before this run stays
    assert saved_in(tmp_path) == ["7/00001.png", "7/00003.png", "7/mine.jpg"]


def test_undo_takes_back_the_last_ones_in_turn(collection, crops, tmp_path):
    one, four = crops(1, 1)[0], crops(4, 1)[0]
    collection.add(one, 1)
    collection.add(four, 4)
    assert collection.undo().digit == 4
    assert saved_in(tmp_path) == ["digits/1/00001.png"]
    assert collection.add(four, 4) == "saved"  # it is no duplicate of what was undone
    assert [collection.undo().digit, collection.undo().digit, collection.undo()] == [4, 1, None]
    assert sum(collection.counts) == 0
    assert saved_in(tmp_path) == []


@pytest.mark.parametrize("blocked", ["digits", "digits/7"])
def test_a_place_that_is_no_folder_is_refused_before_anything_is_made(tmp_path, blocked):
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file")
    with pytest.raises(OutputError, match="is no folder; give another place"):
        Collection(tmp_path / "digits", report=pytest.fail)
    assert saved_in(tmp_path) == [blocked]


def test_a_place_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(OutputError, match="can't be written; give another place"):
        Collection(tmp_path / "digits", report=pytest.fail)


def test_a_full_disk_leaves_no_half_image(collection, crops, tmp_path, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        collection.add(crops(7, 1)[0], 7)
    assert saved_in(tmp_path) == []
    assert (collection.saved, sum(collection.counts)) == ([], 0)


# which mark is meant


def test_of_several_marks_the_one_nearest_the_middle_is_saved(collection, recognizer, tmp_path):
    session = Session(collection, recognizer)
    view = session.look(page((100, 100), (330, 250), (560, 400)))
    assert len(view.marks) == 3
    assert view.aimed is not None
    assert abs(view.aimed[0] + view.aimed[2] / 2 - 330) < 5
    session.press(ord("4"))
    assert saved_in(tmp_path) == ["digits/4/00001.png"]
    crop = cv2.imread(str(tmp_path / "digits" / "4" / "00001.png"), cv2.IMREAD_UNCHANGED)
    expected = nearest(look(page((100, 100), (330, 250), (560, 400)).image).candidates, (320, 240))
    assert (crop == expected.crop).all()


def test_a_speck_in_the_middle_is_not_meant(collection, recognizer):
    frame = page((150, 150))
    cv2.line(frame.image, (320, 232), (321, 248), (40, 40, 40), 3, cv2.LINE_AA)
    assert len(look(frame.image).candidates) == 2
    aimed = Session(collection, recognizer).look(frame).aimed
    assert aimed is not None
    assert aimed[0] < 200


def test_with_a_label_only_a_mark_that_holds_still_is_taken(collection, recognizer):
    session = Session(collection, recognizer, label=4, steady=3)
    for index in range(6):
        session.look(page((100 + 80 * index, 240), index=index))
    assert collection.saved == []
    for index in range(2):
        session.look(page((330 + 2 * index, 240), index=6 + index))
    assert collection.saved == []
    session.look(page((334, 240), index=8))
    assert [saved.digit for saved in collection.saved] == [4]
    for index in range(5):
        session.look(page((334, 240), index=9 + index))
    assert len(collection.saved) == 1
    assert collection.duplicates == 5


def test_what_the_model_reads_otherwise_is_known(collection, recognizer):
    session = Session(collection, recognizer)
    view = session.look(page((320, 240)))
    assert view.reading is not None
    assert view.reading.digit == 4
    session.press(ord("4"))
    session.press(ord("9"))
    assert [saved.misread for saved in collection.saved] == [False, True]


BOXES = st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(1, 50), st.integers(1, 50))


@given(BOXES, BOXES)
def test_overlap_is_a_share_and_symmetric(one, other):
    assert 0 <= overlap(one, other) == overlap(other, one) <= 1
    assert overlap(one, one) == 1
    assert (overlap(one, other) == 1) == (one == other)


def test_truth_names_a_mark_only_where_it_is_sure():
    truth = Truth(((7, (10, 10, 30, 50)), (2, (100, 10, 30, 50)), (3, (110, 10, 30, 50))), "723")
    assert true_digit((12, 12, 25, 46), truth) == 7
    assert true_digit((12, 12, 25, 20), truth) is None  # a piece of it
    assert true_digit((200, 12, 25, 46), truth) is None  # no digit
    assert true_digit((110, 12, 20, 46), truth) is None  # two digits are there


# keys and the window


class FakeScreen:
    """Gives a key a frame and remembers what it was shown."""

    def __init__(self, *keys: int | None) -> None:
        self.keys = list(keys)
        self.views: list[View] = []

    def show(self, view: View) -> int | None:
        self.views.append(view)
        return self.keys.pop(0) if self.keys else None


def run(session: Session, screen: FakeScreen | None = None, *, frames: int = 400) -> list[View]:
    generated = (page((320 + 3 * (index % 2), 240), index=index) for index in range(frames))
    with Sequence(generated, source="test") as camera:
        return list(collect(camera, session, screen=screen))


def test_keys_save_undo_and_end(collection, recognizer, tmp_path):
    screen = FakeScreen(NO_KEY, ord("4"), ord("x"), ord("4"), ord("9"), ord("u"), 8, ord("u"), NO_KEY, None)
    views = run(Session(collection, recognizer), screen)
    assert len(views) == len(screen.views) == 10
    ready, four = "show a digit, press its key", "saved a 4"
    after = ["has this 4", "saved a 9", "undone: a 9", "undone: a 4", "nothing to undo", "nothing to undo"]
    assert [view.note for view in views] == [ready, ready, four, four, *after]
    assert [sum(view.counts) for view in views] == [0, 0, 1, 1, 1, 2, 1, 0, 0, 0]
    assert [view.last for view in views] == [None, None, 4, 4, 4, 9, 4, None, None, None]
    assert saved_in(tmp_path) == []


def test_a_key_without_a_mark_saves_nothing(collection, recognizer, tmp_path):
    session = Session(collection, recognizer)
    assert session.look(page()).aimed is None
    session.press(ord("5"))
    assert session.look(page()).note == "no mark in view"
    assert saved_in(tmp_path) == []


def test_it_ends_when_enough_is_saved(collection, recognizer):
    session = Session(collection, recognizer, label="truth", most=7)
    with Sequence(scene_frames("scene", Scene(seed=4)), source="scene") as camera:
        for _ in collect(camera, session):
            pass
    assert len(collection.saved) == 7


def test_it_ends_when_it_is_told_to(collection, recognizer):
    told = iter([False, False, True])
    with Sequence(scene_frames("scene", Scene(seed=4)), source="scene") as camera:
        assert len(list(collect(camera, Session(collection, recognizer), ended=lambda: next(told)))) == 2


def test_a_lost_camera_is_said_and_its_last_picture_is_not_saved(collection, recognizer, tmp_path):
    view = np.random.default_rng(0).integers(20, 230, (240, 320, 3), np.uint8)
    fake = FakeCamera(["good", "good"], then="fail", view=view)
    screen = FakeScreen(*[NO_KEY] * 2)
    session = Session(collection, recognizer)
    with Grabber(lambda: fake, source="fake", report=lambda line: None) as camera:
        for view in collect(camera, session, screen=screen):
            if view.lost:
                session.press(ord("5"))
                break
    assert view.lost.startswith("camera lost: ")
    assert (view.aimed, view.marks) == (None, ())
    assert saved_in(tmp_path) == []


def test_the_window_of_live_shows_the_view_and_gives_its_keys(monkeypatch, collection, recognizer):
    shown: list[np.ndarray] = []
    keys = [ord("4"), -1, ord("q")]
    monkeypatch.setattr(sinks, "why_no_window", lambda: None)
    for name in ("namedWindow", "resizeWindow", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: keys.pop(0))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    window = CollectWindow()
    views = run(Session(collection, recognizer), window)
    window.close()
    assert len(views) == len(shown) == 3
    assert (shown[2] == draw_view(views[2])).all()
    assert collection.counts[4] == 1


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920)])
def test_the_mark_that_is_meant_stands_out_and_counts_are_below(collection, recognizer, size):
    height, width = size
    frame = page((width // 2, height // 2), (width // 6, height // 3), size=size)
    session = Session(collection, recognizer)
    view = session.look(frame)
    before = frame.image.copy()
    drawn = draw_view(view)
    assert (frame.image == before).all()
    assert drawn.shape == (height + bar_height(width, height), width, 3)
    amber = (drawn.astype(int) @ [-1, 0, 1]) > 100
    x, y, w, h = view.aimed
    assert amber[y - 20 : y + h + 20, x - 20 : x + w + 20].sum() == amber.sum() > 0
    inside = slice(y + 3, y + h - 3), slice(x + 3, x + w - 3)
    assert (drawn[inside] == frame.image[inside]).all()  # the digit isn't drawn over
    session.press(ord("4"))
    now = draw_view(session.look(frame))
    assert ((now[height:].astype(int) @ [-1, 0, 1]) > 100).any()  # the digit saved last, and its count


# the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--label", "truth", "--source", "0", "--headless"], "only the scene knows its truth, the source '0' doesn't"),
        (["--source", "scene", "--headless"], "without a window there are no keys; give --label"),
        (["--source", "scene"], "no window: there is no display: log in on the desktop, or use --label"),
        (["--source", "nowhere.mp4", "--label", "7", "--headless"], "there is no camera, file or folder 'nowhere.mp4'"),
        (["--source", "scene", "--label", "10", "--headless"], "'10' is not one of"),
        (["--source", "scene", "--label", "7", "--headless", "--model", "huge"], "there is no model 'huge'"),
    ],
)
def test_wrong_use_is_said_in_a_line_and_leaves_nothing(edgits, tmp_path, monkeypatch, arguments, said):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = edgits("collect", tmp_path / "digits", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_photos_need_not_hold_still(edgits, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), page((320, 240)).image)
    code, out, err = edgits("collect", tmp_path / "d", "--source", photos, "--label", 4, "--headless")
    assert (code, err) == (0, "")
    assert out.startswith("1 saved · left out: 0 duplicates, 0 blurred · small reads 0 of the saved otherwise\n")


def test_from_camera_to_a_model_of_ones_own(tmp_path):
    """The whole loop: collect, correct what is read live, train on the folder, read live with what came of it."""

    def edgits(*arguments: object) -> str:
        command = [sys.executable, "-m", "edgits", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    collecting = ("collect", "my digits", "--source", "scene", "--label", "truth", "--headless")
    out = edgits(*collecting, "--max-images", 90)
    assert out.startswith("90 saved · left out: ")
    assert out.endswith("next    edgits train 'my digits' --recipe small\n")
    assert len(saved_in(tmp_path / "my digits")) == 90
    assert edgits(*collecting, "--max-images", 10).startswith("10 saved")
    correct_on_the_page(tmp_path, 20)
    assert len(saved_in(tmp_path / "my digits")) == 120
    arguments = ("--recipe", "classic", "--epochs", 25, "--batch-size", 8, "--out", "run")
    assert "data 'my digits': 120 images" in edgits("train", "my digits", *arguments)
    reading = ("live", "--source", "scene", "--headless", "--model", "run/model.keras", "--threshold", 0)
    said = edgits(*reading, "--max-frames", 20)
    assert float(re.search(r"digit F1 ([\d.]+)", said)[1]) >= 0.6, said


def correct_on_the_page(folder: Path, count: int) -> None:
    """Names digits of the live scene on the web page, as a person would who knows what is written there."""
    command = [sys.executable, "-m", "edgits", "live", "--source", "scene:5", "--model", "nano", "--headless"]
    command += ["--web", "127.0.0.1:0", "--corrections", "my digits"]
    scene, saved = Scene(seed=5), 0
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process, contextlib.ExitStack() as stack:
        link = http.client.HTTPConnection(re.search(r"http://([\d.:]+)/", process.stderr.readline())[1], timeout=60)

        def post(path: str, value: dict[str, int]) -> dict:
            link.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
            answer = link.getresponse()
            text = answer.read()
            return json.loads(text) if answer.status == 200 else {}

        stack.callback(process.kill)
        end = time.monotonic() + 300
        while saved < count:
            assert time.monotonic() < end
            still = post("/still", {})
            truth = scene.frame(still["frame"])[1] if still else Truth((), "")
            for index, mark in enumerate(still.get("marks", [])):
                digit = true_digit(tuple(mark["box"]), truth)
                if digit is not None and saved < count:
                    answer = post("/correct", {"still": still["still"], "mark": index, "digit": digit})
                    saved += answer["verdict"] == "saved"
        link.close()
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
