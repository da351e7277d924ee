"""What of each frame is searched, and that nothing is missed by it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.find import area_of, look
from edgits.edge.follow import Follower
from edgits.edge.frame import Frame, Truth
from edgits.edge.live import count_hits
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Area, Digit, FrameResult, Known, Reading
from edgits.edge.scene import PAGE_SECONDS, Scene
from edgits.edge.view import Region

ROW = ((4, (100, 100, 30, 50)), (2, (140, 100, 30, 50)))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Recognizer.load("small"))


class Told:
    """Reads what it is told to, where that lies in the area; remembers the areas, and what was known."""

    def __init__(self) -> None:
        self.shown, self.areas, self.knew = list(ROW), [], []

    def read(self, image, *, source, frame=None, area=None, known=()):
        self.areas.append(area)
        self.knew.append(bool(known))
        x, y, w, h = area.box if area else (0, 0, image.shape[1], image.shape[0])
        digits = tuple(
            Digit(name, 0.9, box)
            for name, box in self.shown
            if x <= box[0] <= x + w - box[2] and y <= box[1] <= y + h - box[3]
        )
        around = Area((60, 60, 160, 130), frozenset({1.0})) if digits else None
        lines = (len(digits),) if digits else ()
        sure = tuple(Known(box, np.ones((1, 1), np.uint8), 1.0, Reading(name, 0.99)) for name, box in self.shown)
        return FrameResult(source, image.shape[1], image.shape[0], digits, lines, {}, frame, area=around, known=sure)


def frames(count, *, start=0, fps=30.0, size=(480, 640, 3)):
    return [Frame(np.zeros(size, np.uint8), index, index / fps, "test") for index in range(start, start + count)]


def whole(areas):
    return [area is None for area in areas]


def test_all_of_the_frame_is_searched_several_times_a_second_and_until_the_view_is_settled():
    told, follower = Told(), Follower()
    for frame in frames(60):
        follower.read(told, frame)
    searched = [index for index, all_of_it in enumerate(whole(told.areas)) if all_of_it]
    assert searched == list(range(0, 60, 5))


def test_all_digits_are_read_as_often_but_not_in_the_frames_that_are_searched_whole():
    told, follower = Told(), Follower()
    for frame in frames(60):
        follower.read(told, frame)
    assert [index for index, knew in enumerate(told.knew) if not knew] == [0, *range(6, 60, 5)]
    told.shown.append((7, (400, 300, 30, 50)))
    follower.read(told, frames(1, start=60)[0])
    follower.read(told, frames(1, start=61)[0])
    assert (whole(told.areas[-1:]), told.knew[-1:]) == ([True], [False])  # the next sees what is new, and reads all


@pytest.mark.parametrize(("fps", "reads"), [(5.0, [True, False] * 10), (1.0, [True] * 20)])
def test_a_camera_of_few_frames_a_second_is_searched_whole_and_all_is_read_within_0_3_seconds(fps, reads):
    told, follower = Told(), Follower()
    for frame in frames(20, fps=fps):
        follower.read(told, frame)
    assert all(whole(told.areas))
    assert [not knew for knew in told.knew] == reads


def test_a_new_digit_is_known_half_a_second_later_and_one_that_goes_is_looked_for():
    told, follower = Told(), Follower()
    for frame in frames(31):
        follower.read(told, frame)
    told.shown.append((7, (400, 300, 30, 50)))
    results = [follower.read(told, frame) for frame in frames(15, start=31)]
    assert "7" in results[-1].text
    assert not all(whole(told.areas[-15:]))
    del told.shown[0]
    results = [follower.read(told, frame) for frame in frames(15, start=46)]
    assert "4" not in results[-1].text
    assert sum(whole(told.areas[-15:])) > 6  # while it is missed


def test_a_lone_digit_that_its_part_of_the_frame_does_not_show_is_looked_for_in_all_of_it():
    """A ruled line is known by its length: this digit hung on one where only its part was searched."""

    class Blind(Told):
        def read(self, image, *, source, frame=None, area=None, known=()):
            result = super().read(image, source=source, frame=frame, area=area, known=known)
            result = replace(result, timings={"find": 2.0})
            return result if area is None else replace(result, digits=(), lines=(), area=None)

    told, follower = Blind(), Follower()
    told.shown = list(ROW[:1])
    results = [follower.read(told, frame) for frame in frames(30)]
    assert [result.text for result in results] == ["4"] * 30
    assert not all(whole(told.areas))
    assert {result.timings["find"] for result in results} == {2.0, 4.0}  # the time of both is told


def test_another_region_another_size_and_time_that_begins_anew_are_searched_whole():
    told, follower = Told(), Follower()
    for frame in frames(3):
        follower.read(told, frame)
    region = Region(0, 0, 640, 400)
    follower.read(told, frames(1, start=3)[0], region)
    follower.read(told, frames(1, start=4)[0], region)
    follower.read(told, frames(1, start=5, size=(720, 640, 3))[0])
    follower.read(told, frames(1)[0])
    assert whole(told.areas) == [True, False, False, True, False, True, True]


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 440), st.integers(1, 40)), min_size=1, max_size=6),
    st.sets(st.sampled_from([0.5, 1.0, 2.0, 4.0]), min_size=1),
)
def test_an_area_lies_in_the_frame_and_holds_the_digits_with_what_is_near(places, scales):
    class Mark:
        def __init__(self, place, scale):
            self.box, self.level = (*place, place[2]), type("Level", (), {"scale": scale})

    marks = [Mark(place, scale) for place in places for scale in scales]
    area = area_of(marks, (480, 640), board=False)
    x, y, w, h = area.box
    assert 0 <= x <= x + w <= 640
    assert 0 <= y <= y + h <= 480
    for left, top, side in places:
        assert x <= max(0, left - 32)
        assert y <= max(0, top - 32)
        assert x + w >= min(640, left + side + 32)
        assert y + h >= min(480, top + side + 32)
    assert w >= min(640, 120 * max(scales))
    assert area.scales == scales
    assert area_of([], (480, 640), board=False) is None


@given(*[st.integers(0, 50)] * 8)
def test_an_area_holds_the_boxes_whose_pixels_are_all_in_it(left, top, wide, high, x, y, w, h):
    pixels = {(column, row) for column in range(x, x + w + 1) for row in range(y, y + h + 1)}
    around = {(column, row) for column in range(left, left + wide + 1) for row in range(top, top + high + 1)}
    area = Area((left, top, wide + 1, high + 1), frozenset({1.0}))
    assert area.holds((x, y, w + 1, h + 1)) == (pixels <= around)


@pytest.mark.parametrize("board", [False, True])
@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (2600, 1950)])
def test_around_its_digits_a_frame_reads_as_it_does_whole(reader, size, board):
    image, truth = Scene(seed=4, width=size[0], height=size[1]).frame(60)
    image = 255 - image if board else image
    first = reader.read(image, source="test")
    assert first.text == truth.text
    assert first.area.board == board
    again = reader.read(image, source="test", area=first.area)
    assert again.text == first.text
    assert (again.area.scales, again.area.board) == (first.area.scales, board)
    for old, new in zip(first.digits, again.digits, strict=True):
        assert new.box == pytest.approx(old.box, abs=0.1 * old.box[3])


def test_digits_that_look_as_they_did_are_not_read_again(reader, monkeypatch):
    image, truth = Scene(seed=4).frame(60)
    first = reader.read(image, source="test")
    assert len(first.known) == sum(digit.confidence >= 0.97 for digit in first.digits) > 5
    batches, run = [], reader.recognizer.runtime.run
    monkeypatch.setattr(reader.recognizer.runtime, "run", lambda batch: batches.append(len(batch)) or run(batch))
    noisy = image + np.random.default_rng(1).normal(0, 2, image.shape)
    again = reader.read(np.clip(noisy, 0, 255).astype(np.uint8), source="test", known=first.known)
    assert again.text == truth.text
    assert sum(batches) == len(first.digits) - len(first.known)
    reader.read(image, source="test", area=first.area)
    assert sum(batches[1:]) >= len(first.digits)


@pytest.mark.parametrize("board", [False, True])
def test_another_digit_in_the_same_place_is_read(reader, board):
    def page(digit):
        image = np.full((480, 640, 3), 235, np.uint8)
        cv2.putText(image, digit, (280, 260), cv2.FONT_HERSHEY_SIMPLEX, 2, (40, 40, 40), 4, cv2.LINE_AA)
        return 255 - image if board else image

    for before, after in ("38", "83", "56", "17", "08", "49"):
        first = reader.read(page(before), source="test")
        known = [replace(one, reading=Reading(int(before), 1.0)) for one in first.known]
        for area in None, first.area:
            assert reader.read(page(after), source="test", area=area, known=known).text == after


def test_only_the_area_is_searched(reader):
    page = np.full((480, 640, 3), 235, np.uint8)
    for place in ((60, 110), (500, 420)):
        cv2.putText(page, "3", place, cv2.FONT_HERSHEY_SIMPLEX, 2, (40, 40, 40), 4, cv2.LINE_AA)
    first, second = sorted(look(page).candidates, key=lambda mark: mark.box[1])
    both = reader.read(page, source="test")
    assert both.text == "3\n3"
    for mark in first, second:
        area = area_of([mark], page.shape[:2], board=False)
        assert [digit.box for digit in reader.read(page, source="test", area=area).digits] == [mark.box]


def test_over_the_scene_every_new_number_is_there_within_half_a_second_and_stays(reader):
    """Real frames: 0.6 s of the page before, then the new page for 0.9 s."""
    scene = Scene(seed=4, fps=15)
    for page in (1, 2, 3):
        turn, follower = PAGE_SECONDS * page, Follower()
        right = []
        for index in range(int((turn - 0.6) * 15), int((turn + 0.9) * 15)):
            image, truth = scene.frame(index)
            result = follower.read(reader, Frame(image, index, index / 15, "scene", truth))
            if index / 15 >= turn:
                right.append(result.text == truth.text)
        assert True in right
        assert right.index(True) / 15 <= 0.5
        assert sum(right[8:]) >= len(right[8:]) - 1


@pytest.mark.parametrize("speed", [0, 150, 400])
def test_a_page_that_moves_is_followed(reader, speed):
    """A window slides over a still page, `speed` pixels a second, back and forth."""
    page, truth = Scene(seed=4, width=960, height=720).frame(70)
    follower, hits, written = Follower(), 0, 0
    for index in range(45):
        x = round(80 + 80 * np.sin(speed * index / 30 / 80))
        view = Frame(page[60:660, x : x + 800], index, index / 30, "test")
        shown = [(name, (left - x, top - 60, w, h)) for name, (left, top, w, h) in truth.digits]
        shown = [(name, box) for name, box in shown if 5 < box[0] < 795 - box[2] and 5 < box[1] < 595 - box[3]]
        result = follower.read(reader, view)
        if index >= 15:
            hits += count_hits(result.digits, Truth(tuple(shown), "".join(str(name) for name, _ in shown)))
            written += len(shown)
    assert written > 100
    assert hits >= 0.97 * written
