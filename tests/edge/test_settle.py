from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.frame import Frame
from edgits.edge.results import Digit, FrameResult
from edgits.edge.settle import Number, Settler
from edgits.edge.sinks import Shot

IMAGE = np.full((48, 64, 3), 200, np.uint8)


def shot(text: str, time: float, *, unstable: str = "", lost: bool = False, confidence: float = 0.9) -> Shot:
    """A shot of lines of digits; those at the end named in `unstable` aren't stable yet."""
    lines = text.split("\n") if text else []
    digits = [Digit(int(name), confidence, (0, 0, 5, 9), 1, True) for name in "".join(lines)]
    digits += [Digit(int(name), 0.5, (0, 0, 5, 9), 2, False) for name in unstable]
    counts = [len(line) for line in lines] + ([len(unstable)] if unstable else [])
    result = FrameResult("test", 64, 48, tuple(digits), tuple(counts))
    return Shot(Frame(IMAGE, 0, time, "test"), result, lost="camera lost" if lost else None)


def apart(shot: Shot, gap: int) -> Shot:
    """The same digits beside each other, the last one `gap` pixels away."""
    digits = [replace(digit, box=(8 * i, 0, 5, 9)) for i, digit in enumerate(shot.result.digits)]
    digits[-1] = replace(digits[-1], box=(8 * (len(digits) - 2) + 5 + gap, 0, 5, 9))
    return replace(shot, result=replace(shot.result, digits=tuple(digits)))


def follow(settler: Settler, shots: list[Shot]) -> list[str]:
    """Returns the numbers that came up."""
    return [number.text for one in shots if (number := settler.update(one)) is not None]


@pytest.mark.parametrize("fps", [5, 10, 30, 120])
def test_a_number_comes_once_and_soon(fps):
    settler = Settler()
    shots = [shot("70\n12", i / fps) for i in range(2 * fps)]
    came = [i / fps for i, one in enumerate(shots) if settler.update(one)]
    assert settler.number == Number("70\n12", 0.9)
    assert len(came) == 1
    assert came[0] <= max(0.2, 1 / fps)


def test_a_text_that_stays_for_a_moment_only_is_no_number():
    texts = ["12"] * 20 + ["1"] * 2 + ["12"] * 20 + ["13"] * 20
    assert follow(Settler(), [shot(text, i / 30) for i, text in enumerate(texts)]) == ["12", "13"]


def test_while_a_digit_changes_the_number_stays():
    settler = Settler()
    before = [shot("12", i / 5) for i in range(5)]
    turning = [shot("1", i / 5, unstable="3") for i in range(5, 8)]
    after = [shot("13", i / 5) for i in range(8, 12)]
    assert follow(settler, before + turning + after) == ["12", "13"]


def test_a_speck_that_never_settles_does_not_hold_the_number_up():
    shots = [shot("12", i / 30, unstable="7") for i in range(60)]
    assert follow(Settler(), shots) == ["12"]


def test_numbers_of_a_line_are_parted_as_they_were_when_they_came():
    shots = [apart(shot("123", i / 30), gap=20) for i in range(30)]
    closer = [apart(shot("123", i / 30), gap=3) for i in range(30, 60)]
    after = [apart(shot("124", i / 30), gap=3) for i in range(60, 90)]
    assert follow(Settler(), shots + closer + after) == ["12 3", "124"]
    farther = [apart(shot("124", i / 30), gap=20) for i in range(90, 120)]
    assert follow(Settler(), after + farther) == ["124"]


def test_what_is_gone_is_gone():
    settler = Settler()
    assert follow(settler, [shot("7", i / 30) for i in range(10)]) == ["7"]
    assert follow(settler, [shot("", i / 30) for i in range(10, 30)]) == [""]


def test_a_lost_camera_shows_no_number_and_it_comes_back():
    settler = Settler()
    seen = [shot("7", i / 30) for i in range(10)]
    assert follow(settler, [*seen, shot("", 0.3, lost=True), shot("", 0.3, lost=True)]) == ["7", ""]
    assert settler.number == Number()
    assert follow(settler, [shot("7", 9 + i / 30) for i in range(10)]) == ["7"]


def test_a_source_that_begins_anew_is_followed():
    settler = Settler()
    follow(settler, [shot("7", 100 + i / 30) for i in range(10)])
    assert follow(settler, [shot("8", i / 30) for i in range(10)]) == ["8"]


@given(st.lists(st.tuples(st.sampled_from(["", "1", "12", "3\n4"]), st.floats(0, 0.2), st.booleans()), max_size=60))
def test_only_what_was_seen_for_a_while_is_told(steps):
    settler, time, run = Settler(), 0.0, ("", 0.0)
    for text, step, lost in steps:
        time += step
        run = ("", time) if lost else run if run[0] == text else (text, time)
        number = settler.update(shot(text, time, lost=lost))
        if number is not None and number.text:
            assert number.text == text
            assert time - run[1] >= 0.149
        if lost:
            assert settler.number.text == ""


def test_the_confidence_is_that_of_the_least_sure_digit_in_any_line():
    settler = Settler()
    for time in (0.0, 0.2):
        one = shot("7\n8", time)
        first = Digit(7, 0.6, (0, 0, 5, 9), 1, True)
        settler.update(replace(one, result=replace(one.result, digits=(first, one.result.digits[1]))))
    assert settler.number == Number("7\n8", 0.6)


def test_where_no_digit_is_stable_there_is_no_confidence():
    settler = Settler()
    for time in (0.0, 2.0, 2.2):
        settler.update(shot("", time, unstable="7"))
    assert settler.number == Number("", 0.0)


def test_a_number_that_a_lost_camera_interrupted_must_stay_again():
    settler = Settler()
    follow(settler, [shot("7", 0.0), shot("7", 0.1), shot("", 0.14, lost=True)])
    assert follow(settler, [shot("7", 0.16), shot("7", 0.3)]) == []
    assert follow(settler, [shot("7", 0.32)]) == ["7"]


def test_a_source_may_begin_at_any_time():
    assert follow(Settler(), [shot("7", time) for time in (0.0, 0.1, 0.15)]) == ["7"], "just long enough"
    settler = Settler()
    assert follow(settler, [shot("7", 50.0), shot("7", 50.2)]) == ["7"]
    assert follow(settler, [shot("7", 3.0, unstable="1"), shot("7", 3.2, unstable="1")]) == [], "anew, patience, too"
    assert follow(settler, [shot("8", 3.3), shot("8", 3.4)]) == []
    assert follow(settler, [shot("8", 3.46)]) == ["8"]


def test_patience_ends_after_a_second():
    settler = Settler()
    follow(settler, [shot("1", 10.0)])
    assert follow(settler, [shot("12", 10.0 + t, unstable="3") for t in (0.25, 0.5, 0.75)]) == []
    assert follow(settler, [shot("12", 11.0, unstable="3"), shot("12", 11.25, unstable="3")]) == ["12"]
