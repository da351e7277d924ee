from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.overlay import _label, bar_height, draw
from edgits.edge.results import Digit, FrameResult

SIZES = [(320, 240), (640, 480), (1920, 1080), (240, 320), (28, 28)]


def result_of(width: int, height: int, *digits: Digit) -> FrameResult:
    return FrameResult("test", width, height, digits, (len(digits),) if digits else (), {"find": 4.1}, 0)


def middle(width: int, height: int, **more: object) -> Digit:
    return Digit(7, 0.98, (width // 3, height // 3, width // 4, height // 3), **more)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("paper", [0, 128, 255])
def test_box_and_label_show_on_any_background(width, height, paper):
    image = np.full((height, width, 3), paper, np.uint8)
    drawn = draw(image, result_of(width, height, middle(width, height, track=3, stable=True)), fps=25.0)
    assert drawn.shape == (height + bar_height(width, height), width, 3)
    assert drawn.dtype == np.uint8
    x, y, w, h = middle(width, height).box
    changed = np.abs(drawn[:height].astype(int) - paper).max(axis=2)
    edges = changed[y + h // 2, max(0, x - w // 2) : x + w // 2], changed[y + h // 2, x + w // 2 : x + 3 * w // 2]
    assert all(edge.max() > 90 for edge in edges)
    assert (changed[y + 3 : y + h - 3, x + 3 : x + w - 3] == 0).all() or width == 28  # the digit isn't drawn over


def test_the_image_itself_is_not_changed_and_drawing_repeats():
    image = np.full((480, 640, 3), 200, np.uint8)
    result = result_of(640, 480, middle(640, 480, track=1, stable=False))
    first = draw(image, result, fps=None)
    assert (image == 200).all()
    assert (first == draw(image, result, fps=None)).all()


@pytest.mark.parametrize(("width", "height"), SIZES[:3])
def test_the_whole_number_stands_large_in_the_bar(width, height):
    image = np.zeros((height, width, 3), np.uint8)
    empty = draw(image, result_of(width, height), fps=25.0)[height:]
    full = draw(image, result_of(width, height, middle(width, height, track=1)), fps=25.0)[height:]
    rows = np.flatnonzero((full == 255).all(axis=2).any(axis=1))
    assert not (empty == 255).all(axis=2).any()
    assert rows.max() - rows.min() > 0.3 * bar_height(width, height)
    assert (full[:, int(0.8 * width) :] == empty[:, int(0.8 * width) :]).all()  # the speed at the right stays


def test_a_long_text_ends_before_the_speed():
    digits = [Digit(8, 0.9, (10 * i, 50, 9, 20), i, True) for i in range(60)]
    image = np.zeros((480, 640, 3), np.uint8)
    few = draw(image, result_of(640, 480), fps=25.0)[480:]
    many = draw(image, result_of(640, 480, *digits), fps=25.0)[480:]
    assert (many[:, 565:] == few[:, 565:]).all()
    assert (many[:, 500:540] == 255).any()


def test_tracks_that_follow_each_other_have_unlike_colours():
    image = np.full((480, 640, 3), 128, np.uint8)
    looks = [draw(image, result_of(640, 480, middle(640, 480, track=i, stable=True))) for i in range(1, 5)]
    for i in range(3):
        assert np.abs(looks[i].astype(int) - looks[i + 1]).max() > 100


def test_a_lost_camera_is_said_and_the_old_picture_greyed():
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 2] = 200
    drawn = draw(image, result_of(640, 480), status="camera lost: unplugged – trying again" * 5)
    assert drawn[5, 320, 2] > 180
    assert drawn[5, 320, 0] < 80
    assert (drawn[300, 300] == drawn[300, 300, 0]).all()
    assert (drawn[:40] == 255).all(axis=2).any()


def test_grey_images_and_boxes_at_the_border():
    image = np.full((240, 320), 200, np.uint8)
    digits = [Digit(1, 1.0, (0, 0, 10, 20)), Digit(2, 0.5, (310, 220, 10, 20)), Digit(3, 0.5, (0, 0, 320, 240))]
    assert draw(image, result_of(320, 240, *digits)).shape == (240 + bar_height(320, 240), 320, 3)


def test_what_is_not_read_is_dark_and_the_rest_as_it_was():
    image = np.full((480, 640, 3), 200, np.uint8)
    drawn = draw(image, replace(result_of(640, 480), region=(100, 50, 300, 200)))
    assert (drawn[51:249, 101:399] == 200).all()
    assert (drawn[:49] == 80).all()
    assert (image == 200).all()


def test_the_track_has_its_number_under_the_box():
    image = np.full((480, 640, 3), 200, np.uint8)
    one, two = (draw(image, result_of(640, 480, middle(640, 480, track=number, stable=True))) for number in (1, 145))
    _, y, _, h = middle(640, 480).box
    below = slice(y + h + 8, y + h + 22)
    assert (np.abs(one[below].astype(int) - two[below]).max(axis=2) > 90).any()
    assert (draw(image, result_of(640, 480, middle(640, 480)))[below] == 200).all()  # no number without time


def test_an_old_frame_is_said_to_be_old():
    image = np.zeros((480, 640, 3), np.uint8)
    fresh, old = (draw(image, replace(result_of(640, 480), age_ms=age))[480:] for age in (40.0, 900.0))
    amber = (old[..., 2] > 200) & (old[..., 0] < 120)
    assert amber.any()
    assert not ((fresh[..., 2] > 200) & (fresh[..., 0] < 120)).any()


def test_many_lines_become_rows_rather_than_being_cut():
    digits = [Digit(8, 0.9, (20 * i, 50 + 60 * line, 9, 20), i, True) for line in range(3) for i in range(12)]
    lines = replace(result_of(640, 480, *digits), lines=(12, 12, 12))
    bar = draw(np.zeros((480, 640, 3), np.uint8), lines, fps=25.0)[480:]
    white = (bar[:, :540] == 255).all(axis=2).any(axis=1)
    assert np.count_nonzero(np.diff(white.astype(int)) == 1) == 3  # three rows of text


def test_low_digits_have_labels_of_one_sign_that_leave_their_neighbours_free():
    image = np.full((480, 640, 3), 200, np.uint8)

    def label_width(high):
        digit = Digit(7, 0.98, (300, 200, 2 * high // 3, high), 1, True)
        above = draw(image, result_of(640, 480, digit))[:188] != 200
        return np.ptp(np.nonzero(above.any(axis=(0, 2)))[0])

    assert label_width(20) < 0.6 * label_width(40)


@given(st.integers(0, 620), st.integers(0, 460), st.integers(2, 400), st.integers(2, 400))
def test_labels_lie_within_the_picture_and_brief_ones_are_narrower(x, y, wide, high):
    digit = Digit(7, 0.98, (x, y, min(wide, 640 - x), min(high, 480 - y)), 1, True)
    label, name = (_label(digit, (480, 640, 3), 1.0, brief=brief) for brief in (False, True))
    assert name[2] < 0.7 * label[2]
    assert name[1::2] == label[1::2]
    assert 0 <= label[0] <= 640 - label[2]
    assert 0 <= label[1] <= 480 - label[3]


def test_digits_side_by_side_have_brief_labels_and_one_further_away_a_full_one():
    image = np.full((480, 640, 3), 200, np.uint8)
    pair = [Digit(7, 0.98, (x, 200, 27, 40), x, True) for x in (100, 132)]
    apart = Digit(7, 0.98, (400, 200, 27, 40), 3, True)
    above = draw(image, result_of(640, 480, *pair, apart))[:188] != 200
    columns = np.flatnonzero(above.any(axis=(0, 2)))
    widths = [len(run) for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)]
    assert len(widths) == 3
    assert max(widths[:2]) < 0.7 * widths[2]
