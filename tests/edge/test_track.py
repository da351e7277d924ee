import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.results import Digit, FrameResult
from edgits.edge.track import _STABLE_DOWN_TO, _STABLE_FROM, Tracker, _alike, _places, _shift, _within


def seen(*digits: tuple[int, float, int, int], frame: int = 0, size: tuple[int, int] = (30, 50)) -> FrameResult:
    found = tuple(Digit(name, share, (x, y, *size)) for name, share, x, y in digits)
    return FrameResult("test", 640, 480, found, (len(found),) if found else (), {"find": 1.0}, frame)


def run(tracker: Tracker, results: list[FrameResult], *, fps: float = 30.0, start: float = 0.0) -> list[FrameResult]:
    return [tracker.update(result, time=start + index / fps) for index, result in enumerate(results)]


def test_a_still_digit_keeps_its_number_and_becomes_stable():
    results = run(Tracker(), [seen((7, 0.9, 100, 100))] * 10)
    assert {result.digits[0].track for result in results} == {1}
    assert [result.digits[0].stable for result in results[:4]] == [False, False, True, True]
    assert results[-1].digits[0].confidence == pytest.approx(0.9)
    assert results[-1].timings.keys() == {"find", "track"}


@given(
    st.lists(
        st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 9), st.floats(0, 1))), min_size=1, max_size=20
    ),
    st.integers(0, 20),
    st.floats(0.01, 2.0),
)
def test_only_what_was_seen_of_late_is_reported(frames, step, interval):
    """Any digits come and go at six places: each reported one was seen within 0.35 s, enough of them in this frame."""
    tracker = Tracker()
    last: dict[int, float] = {}  # track → time of the frame that showed it
    for index, found in enumerate(frames):
        time = index * interval
        digits = [(name, share, 10 + 60 * place + step * index, 50) for place, (name, share) in found.items()]
        result = seen(*digits, frame=index)
        out = tracker.update(result, time=time)
        assert (sum(out.lines), out.frame, out.source) == (len(out.digits), result.frame, result.source)
        numbers = [digit.track for digit in out.digits]
        assert len(set(numbers)) == len(numbers)
        assert all(0 <= digit.confidence <= 1 and digit.stable is not None for digit in out.digits)
        boxes = {digit.box for digit in result.digits}
        here = [digit for digit in out.digits if digit.box in boxes]
        assert 3 * len(here) >= len(out.digits)
        last |= {digit.track: time for digit in here}
        assert all(time - last[digit.track] <= 0.36 for digit in out.digits)


@given(st.sampled_from([2, 5, 10, 15, 30, 60]), st.floats(0.5, 1), st.floats(0.5, 1))
def test_a_changed_digit_is_reported_within_half_a_second(fps, before, after):
    tracker = Tracker()
    run(tracker, [seen((3, before, 100, 100))] * (2 * fps), fps=fps)
    results = run(tracker, [seen((8, after, 100, 100))] * (fps + 1), fps=fps, start=2.0)
    first = next(index for index, result in enumerate(results) if result.digits[0].digit == 8)
    assert first / fps <= 0.5
    assert all(result.digits[0].digit == 8 for result in results[first:])
    assert results[first].digits[0].stable is False


@given(st.integers(3, 8), st.floats(0.5, 0.99))
def test_single_misreadings_do_not_show(every, wrong):
    frames = [seen((5 if index % every else 6, 0.95 if index % every else wrong, 100, 100)) for index in range(1, 90)]
    results = run(Tracker(), frames)
    assert {result.digits[0].digit for result in results} == {5}
    assert all(result.digits[0].stable for result in results[12:])


def test_two_equal_readings_in_turn_do_not_flicker():
    results = run(Tracker(), [seen((4 if index % 2 else 9, 0.9, 100, 100)) for index in range(60)])
    names = [result.digits[0].digit for result in results]
    assert sum(a != b for a, b in itertools.pairwise(names)) <= 1


@given(st.integers(-90, 90), st.integers(-90, 90), st.permutations(list(range(6))))
def test_moving_paper_keeps_every_number(dx, dy, order):
    """Digits 60 apart jump together by up to 90 pixels: nearest neighbours alone would mix them up."""
    home = [(name, 0.9, 100 + 60 * (name % 3), 150 + 90 * (name // 3)) for name in range(6)]
    tracker = Tracker()
    first = tracker.update(seen(*home), time=0.0)
    moved = [(name, share, x + dx, y + dy) for name, share, x, y in (home[i] for i in order)]
    second = tracker.update(seen(*moved), time=0.033)
    before = {digit.digit: digit.track for digit in first.digits}
    assert {digit.digit: digit.track for digit in second.digits} == before


def test_a_row_of_the_same_digit_is_followed():
    tracker = Tracker()
    rows = [seen(*[(1, 0.9, 100 + 40 * i + 15 * step, 100) for i in range(5)]) for step in range(6)]
    results = run(tracker, rows)
    assert all([digit.track for digit in result.digits] == [1, 2, 3, 4, 5] for result in results)


def test_a_short_gap_keeps_the_number_and_a_long_one_does_not():
    tracker = Tracker()
    digit, nothing = seen((7, 0.9, 100, 100)), seen()
    assert tracker.update(digit, time=0.0).digits[0].track == 1
    assert tracker.update(nothing, time=0.2).digits == ()
    assert tracker.update(digit, time=0.4).digits[0].track == 1
    assert tracker.update(digit, time=1.0).digits[0].track == 2


def test_another_size_is_another_digit():
    tracker = Tracker()
    tracker.update(seen((7, 0.9, 100, 100)), time=0.0)
    assert tracker.update(seen((7, 0.9, 100, 100), size=(60, 100)), time=0.03).digits[0].track == 2


def test_time_that_jumps_back_starts_anew():
    tracker = Tracker()
    tracker.update(seen((7, 0.9, 100, 100)), time=5.0)
    assert tracker.update(seen((7, 0.9, 100, 100)), time=0.0).digits[0].track == 2


def test_a_crowded_frame_is_followed_in_bounded_time():
    digits = [(i % 10, 0.9, 60 * (i % 10), 45 * (i // 10)) for i in range(100)]
    tracker = Tracker()
    tracker.update(seen(*digits, size=(20, 30)), time=0.0)
    result = tracker.update(seen(*[(n, c, x + 9, y + 4) for n, c, x, y in digits], size=(20, 30)), time=0.03)
    assert [digit.track for digit in result.digits] == list(range(1, 101))


def test_lines_stay_as_they_were():
    result = replace(seen((1, 0.9, 10, 10), (2, 0.9, 10, 100)), lines=(1, 1))
    assert Tracker().update(result, time=0.0).text == "1\n2"


def test_a_turned_page_is_reported_at_once_and_a_changed_digit_among_many_is_voted_on():
    tracker = Tracker()
    old = [(name, 0.9, 100 + 60 * name, 100) for name in range(5)]
    run(tracker, [seen(*old)] * 20)
    one = [(9 if place == 100 else name, share, place, y) for name, share, place, y in old]
    assert [digit.digit for digit in tracker.update(seen(*one), time=0.7).digits] == [0, 1, 2, 3, 4]
    new = [(9 - name, share, x + 6, y + 4) for name, share, x, y in old]
    turned = tracker.update(seen(*new), time=0.75).digits
    assert [digit.digit for digit in turned] == [9, 8, 7, 6, 5]
    assert [digit.track for digit in turned] == [6, 7, 8, 9, 10]
    assert not any(digit.stable for digit in turned)


ROW = [(name, 0.9, 100 + 60 * name, 100) for name in range(4)]


def test_a_digit_that_is_missed_for_a_moment_is_held_where_the_rest_is():
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * 30, start=-0.8)
    moved = [(name, share, x + 8, y + 2) for name, share, x, y in ROW]
    out = tracker.update(seen(*moved[:1], *moved[2:]), time=0.2)
    assert out.text == "0123"
    assert out.digits[1].box == (168, 102, 30, 50)
    assert out.digits[1].confidence < out.digits[2].confidence
    assert [digit.track for digit in out.digits] == [1, 2, 3, 4]
    late = run(tracker, [seen(*moved[:1], *moved[2:])] * 15, start=0.23)
    texts = [result.text for result in late]
    gone = texts.index("023") / 30
    assert 0.2 < gone < 0.4
    assert set(texts) == {"0123", "023"}
    assert late[5].digits[1].stable is False


def test_nothing_is_held_where_nothing_or_little_is_seen():
    for found in ([], ROW[:1]):
        tracker = Tracker()
        run(tracker, [seen(*ROW)] * 10)
        assert tracker.update(seen(*found), time=0.36).digits[1:] == ()


def hinted(result: FrameResult, *doubtful: tuple[int, float, int, int]) -> FrameResult:
    return replace(result, doubtful=seen(*doubtful).digits)


@pytest.mark.parametrize("row", [ROW, ROW[:1]])
def test_a_known_digit_is_held_by_doubtful_readings_if_some_frames_show_it_clearly(row):
    rest, (name, _, x, y) = row[:-1], row[-1]
    text = "".join(str(name) for name, *_ in row)

    def texts(doubtful, clear):
        tracker = Tracker()
        run(tracker, [seen(*row)] * 10)
        frames = [seen(*row) if clear and i % clear == 0 else hinted(seen(*rest), *doubtful) for i in range(60)]
        return [result.text for result in run(tracker, frames, start=10 / 30)]

    doubt = [(name, 0.2, x + 4, y)]
    assert set(texts(doubt, clear=5)) == {text}
    assert text[:-1] in texts([], clear=5)
    faint = texts(doubt, clear=0)
    assert faint[6:9] == [text] * 3 != texts([], clear=0)[6:9]
    assert faint[45:] == [text[:-1]] * 15


def test_a_digit_held_by_doubtful_readings_lies_where_they_do_and_is_as_sure_as_they_are():
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * 10)
    *_, last = run(tracker, [hinted(seen(*ROW[:3]), (3, 0.2, ROW[3][2] + 4, 100))] * 9, start=10 / 30)
    assert (last.digits[3].track, last.digits[3].box, last.digits[3].stable) == (4, (284, 100, 30, 50), False)
    assert 0.2 < last.digits[3].confidence < 0.45


def test_doubtful_readings_show_nothing_that_was_not_known_nor_another_digit_nor_any_by_chance():
    assert {result.text for result in run(Tracker(), [hinted(seen(), (7, 0.9, 100, 100))] * 30)} == {""}
    for doubtful in ((8, 0.5, 280, 100), (3, 0.09, 280, 100), (3, 0.5, 600, 300)):
        tracker = Tracker()
        run(tracker, [seen(*ROW)] * 10)
        results = run(tracker, [hinted(seen(*ROW[:3]), doubtful)] * 9, start=10 / 30)
        assert results[-1].text == "012"


def test_a_digit_held_by_a_doubtful_reading_stands_in_its_place_also_where_another_mark_is_left_out():
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * 10)
    part = hinted(seen(*ROW[1:], (8, 0.9, 500, 300)), (0, 0.2, 100, 100))
    out = tracker.update(part, time=10 / 30, whole=False)
    assert [digit.digit for digit in out.digits] == [0, 1, 2, 3]


def test_a_piece_of_a_digit_that_was_seen_is_no_doubtful_one_beside_it():
    tracker = Tracker()
    run(tracker, [seen((3, 0.9, 100, 100), (3, 0.9, 116, 100))] * 10)
    once = seen((3, 0.9, 100, 100))
    piece = replace(once.digits[0], box=(112, 100, 24, 46))
    results = run(tracker, [replace(once, doubtful=(piece,))] * 10, start=10 / 30)
    assert results[-1].text == "3"


def test_a_mark_that_flashes_up_beside_known_digits_is_not_shown():
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * 30, start=-0.8)
    results = run(tracker, [seen(*ROW, (7, 0.9, 400, 100)), seen(*ROW)] * 10, start=0.2)
    assert {result.text for result in results[:10]} == {"0123"}
    stays = run(tracker, [seen(*ROW, (7, 0.9, 400, 100))] * 10, start=1.5)
    assert stays[-1].text == "01237"


@pytest.mark.parametrize("fps", [1, 2, 3, 4, 5, 6, 7, 10, 15, 30, 60])
def test_a_digit_written_beside_known_ones_is_reported_within_half_a_second(fps):
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * (2 * fps), fps=fps)
    results = run(tracker, [seen(*ROW, (7, 0.9, 400, 100))] * (fps + 1), fps=fps, start=2.0)
    first = next(index for index, result in enumerate(results) if result.text == "01237")
    assert first / fps <= 0.34


def test_a_part_of_a_frame_shows_what_is_known_and_nothing_new():
    tracker = Tracker()
    run(tracker, [seen(*ROW)] * 10)
    moved = [((name + (x == ROW[0][2])) % 10, share, x + 9, y) for name, share, x, y in ROW]
    parts = [seen((8, 0.9, 400, 300), *moved)] * 12
    results = [tracker.update(part, time=(10 + index) / 30, whole=False) for index, part in enumerate(parts)]
    assert [digit.digit for digit in results[-1].digits] == [name for name, *_ in moved]  # a changed one is followed
    assert all(sum(result.lines) == len(result.digits) == len(ROW) for result in results)
    run(tracker, [seen(*moved, (8, 0.9, 400, 300))] * 12, start=22 / 30)
    assert len(tracker.update(seen(*moved), time=34 / 30, whole=False).digits) == len(ROW) + 1  # now it is known


def test_a_view_is_settled_while_each_frame_shows_the_digits_that_are_there():
    tracker = Tracker()
    assert not tracker.settled
    run(tracker, [seen(*ROW)] * 10)
    assert tracker.settled
    run(tracker, [seen(*ROW[1:])], start=10 / 30)
    assert not tracker.settled  # one is missed
    run(tracker, [seen(*ROW)], start=11 / 30)
    assert tracker.settled
    new = seen(*ROW, (8, 0.9, 400, 300))
    run(tracker, [new], start=12 / 30)
    assert not tracker.settled
    run(tracker, [new] * 10, start=13 / 30)
    assert tracker.settled
    run(tracker, [seen(*ROW)] * 10, start=23 / 30)
    assert tracker.settled  # it is gone


def test_what_leaves_the_picture_is_not_held():
    tracker = Tracker()
    run(tracker, [seen(*[(name, share, x - 95, y) for name, share, x, y in ROW])] * 5)
    left = [(name, share, x - 110, y) for name, share, x, y in ROW]
    assert tracker.update(seen(*left[1:]), time=0.2).text == "123"


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((0, 0, 30, 50), True),
        ((610, 430, 30, 50), True),
        ((-1, 0, 30, 50), False),
        ((0, -1, 30, 50), False),
        ((611, 430, 30, 50), False),
        ((610, 431, 30, 50), False),
        ((0, 0, 640, 480), True),
    ],
)
def test_the_frame_holds_a_box_that_touches_its_rim(box, inside):
    assert _within(box, 640, 480) is inside


def test_a_view_moves_by_what_the_centres_of_its_digits_move():
    assert _shift([]) == (0, 0)
    assert _shift([((10, 20, 20, 40), (5, 10, 30, 60))]) == (0, 0)  # it grew where it was
    grown = [((x, 20, 20, 40), (x + 7, 13, 40, 60)) for x in (0, 50, 300)]
    assert _shift([*grown, ((0, 0, 10, 10), (500, 400, 10, 10))]) == (17, 3)


def test_boxes_are_alike_by_height_and_by_longer_side():
    kinds = _places([(0, 0, 20, 40), (0, 0, 160, 40), (0, 0, 20, 160)])
    assert _alike(kinds, kinds).tolist() == [[i == j for j in range(3)] for i in range(3)]


def test_every_pair_votes_for_its_own_move_and_the_same_digits_fully():
    def matched(*digits):
        tracker = Tracker()
        tracker.update(seen((1, 0.9, 100, 100), (2, 0.9, 200, 100), (3, 0.9, 300, 160)), time=0.0)
        return [digit.track for digit in tracker.update(seen(*digits), time=0.03).digits]

    assert matched((1, 0.9, 140, 130), (2, 0.9, 240, 130), (3, 0.9, 340, 190)) == [1, 2, 3]  # all moved
    assert matched((1, 0.9, 200, 100), (2, 0.9, 300, 100), (3, 0.9, 400, 160)) == [1, 2, 3]  # onto each other's places
    assert matched((2, 0.9, 200, 100)) == [2]


def test_what_is_between_both_limits_stays_as_stable_as_it_was():
    between = (_STABLE_DOWN_TO + _STABLE_FROM) / 2
    unsure = run(Tracker(), [seen((7, between, 100, 100))] * 20)
    assert not any(result.digits[0].stable for result in unsure)
    sure = run(Tracker(), [seen((7, 0.95, 100, 100))] * 5 + [seen((7, between, 100, 100))] * 60)
    assert all(result.digits[0].stable for result in sure[5:])
    assert sure[-1].digits[0].confidence == pytest.approx(between, abs=0.02)


def test_its_time_is_told_in_milliseconds():
    assert 0 < Tracker().update(seen((7, 0.9, 100, 100)), time=0.0).timings["track"] < 1000
