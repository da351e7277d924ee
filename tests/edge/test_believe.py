from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgits.edge.believe import Traits, believed, in_company
from edgits.edge.find import look
from edgits.edge.marks import as_strokes
from edgits.edge.results import Reading

STROKE = Reading(1, 0.16, accepted=False, any_digit=0.17)


@pytest.fixture(scope="module")
def mark():
    frame = np.full((240, 320, 3), 220, np.uint8)
    cv2.putText(frame, "4", (120, 160), cv2.FONT_HERSHEY_SIMPLEX, 3, (60, 60, 60), 6)
    (found,) = look(frame).candidates
    return lambda x, wide=30, high=40, **traits: replace(found, box=(x, 100, wide, high), **traits)


def test_a_bare_stroke_beside_digits_of_the_same_pen_is_a_digit(mark):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    ((_, weighed),) = in_company([(mark(140, 8), STROKE)], digits)
    assert weighed.likeliest == 1
    assert weighed.confidence == pytest.approx(8 * 0.16 / (8 * 0.17 + 0.83))
    assert weighed.any_digit == pytest.approx(8 * 0.17 / (8 * 0.17 + 0.83))


def test_digits_of_a_row_may_stand_far_apart(mark):
    digits = [(mark(20), Reading(4, 0.99)), (mark(150), Reading(7, 0.98))]
    assert len(in_company([(mark(280, 8), STROKE)], digits)) == 1


@pytest.mark.parametrize(
    "alone",
    [
        {"x": 300},  # too far
        {"x": 140, "contrast": 0.1},  # another pen
        {"x": 140, "stroke": 40.0},
        {"x": 140, "high": 90},  # another line's, or the side of a box
    ],
)
def test_a_mark_that_stands_by_itself_is_what_the_model_says(mark, alone):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    assert in_company([(mark(wide=8, **alone), STROKE)], digits) == []


def test_one_digit_is_no_company_two_marks_without_digits_are_none(mark):
    strokes = [(mark(140, 8), STROKE), (mark(160, 8), STROKE)]
    assert in_company(strokes, [(mark(95), Reading(7, 0.98))]) == []
    assert in_company(strokes, []) == []
    assert in_company([], [(mark(95), Reading(7, 0.98))] * 2) == []


@given(st.floats(0, 1), st.floats(0, 1))
def test_company_makes_a_digit_likelier_and_never_more_than_sure(mark, any_digit, share):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]
    before = Reading(1, share * any_digit, accepted=False, any_digit=any_digit)
    ((_, after),) = in_company([(mark(140, 8), before)], digits)
    assert before.confidence <= after.confidence + 1e-12
    assert after.confidence <= after.any_digit + 1e-12 <= 1 + 2e-12


def arc(mark, x, bow):
    """A stroke that bows, in heights, at a place of the mark's row."""
    down = np.linspace(0, 1, 20)
    ink = np.zeros((60, 60), np.uint8)
    points = np.stack([30 + 200 * bow * down * (1 - down), 5 + 50 * down], axis=1)
    cv2.polylines(ink, [np.rint(points).astype(np.int32)], False, 1, 5)
    left, top, wide, high = cv2.boundingRect(ink)
    return mark(x, 12, mark=as_strokes(np.ascontiguousarray(ink[top : top + high, left : left + wide]), (x, 100)))


@given(st.floats(0.03, 0.16), st.sampled_from([1, -1]), st.sampled_from([1, 7, 9]))
@example(0.16, 1, 7)
@example(0.16, -1, 1)
def test_a_stroke_that_bows_beside_digits_may_be_a_bracket_and_alone_it_is_none(mark, bow, side, digit):
    digits = [(mark(50), Reading(4, 0.99)), (mark(95), Reading(7, 0.98))]

    def odds(bow, *others):
        traits = Traits([*others, (arc(mark, 140, bow), Reading(digit, 0.9))], [], (240, 320))
        share = traits.among(traits.alone())[-1]
        return share / (1 - share)

    assert odds(side * bow) == pytest.approx(odds(0))
    likelier = odds(0, *digits) / odds(side * bow, *digits)
    assert likelier == pytest.approx(1) if digit == 9 or bow < 0.05 else likelier >= 1
    if digit != 9 and bow == 0.16:
        assert likelier > 20


@pytest.mark.parametrize("digit", [1, 4])
def test_a_limb_of_something_broad_is_no_1(digit):
    def odds(*body):
        frame = np.full((330, 400), 250, np.uint8)
        for corner, other in body:
            cv2.rectangle(frame, corner, other, 10, cv2.FILLED)
        cv2.line(frame, (190, 190), (190, 300), 10, 20)
        (leg,) = (found for found in look(frame).candidates if found.box[1] > 150)
        traits = Traits([(replace(leg, box=(180, 190, 20, 120)), Reading(digit, 0.9))], [], (330, 400))
        share = traits.among(traits.alone())[-1]
        return share / (1 - share)

    assert odds() / odds(((50, 40), (350, 190))) > (20 if digit == 1 else 0.5)


DIGIT, LETTER = Reading(4, 0.999, any_digit=0.999), Reading(0, 0.9, any_digit=0.9)


def word(mark, *readings, refused=(), gap=5, **traits):
    """How sure each mark's word is: marks side by side, and boxes of refused ones after them."""
    step = 30 + gap
    read = [(mark(20 + step * place, **traits), reading) for place, reading in enumerate(readings)]
    others = [(20 + step * (len(read) + place), 100, wide, 40) for place, wide in enumerate(refused)]
    return Traits(read, others, (480, 640))._word()


def test_a_word_is_as_sure_as_its_marks_are_on_average(mark):
    assert word(mark, DIGIT, DIGIT) == pytest.approx(np.log(0.999 / 0.001) - 4)
    mixed = word(mark, DIGIT, LETTER, LETTER)
    assert mixed == pytest.approx((np.log(999) + 2 * np.log(9)) / 3 - 4)
    assert word(mark, LETTER, LETTER).max() < mixed.min()


def test_what_was_refused_in_a_word_makes_its_letters_less_sure_the_wider_the_more(mark):
    none, one, two = word(mark, LETTER), word(mark, LETTER, refused=(30,)), word(mark, LETTER, refused=(30, 30))
    wide = word(mark, LETTER, refused=(112,))
    assert none == 0
    assert wide < two < one < 0


def test_words_are_told_by_the_gap_between_them(mark):
    assert word(mark, DIGIT, LETTER, gap=40).tolist() == [0, 0]


def test_a_printed_word_is_one_though_its_letters_stand_apart(mark):
    assert (word(mark, DIGIT, LETTER, gap=16) != 0).all()


def test_more_marks_of_one_hand_than_enough_tell_no_more(mark):
    """A page of print has hundreds of letters that read like a digit: they don't vouch for each other."""

    def believed_at(count):
        read = [(mark(100 * place, wide=20), Reading(0, 0.9, any_digit=0.9)) for place in range(count)]
        traits = Traits(read, [], (480, 100 * count + 200))
        return traits.among(traits.alone())[1]

    assert believed_at(2) < believed_at(8) < believed_at(40)
    assert believed_at(400) == pytest.approx(believed_at(40), abs=1e-6)


def test_pieces_of_digits_that_touch_tell_nothing_of_each_other(mark):
    assert word(mark, LETTER, LETTER, cut=0.2).tolist() == [0, 0]
    # nor does the mark that they are pieces of
    read = [(mark(20, cut=0.2), DIGIT), (mark(50, cut=0.2), LETTER)]
    assert Traits(read, [(20, 100, 60, 40)], (480, 640))._word().tolist() == [0, 0]


def test_pieces_of_a_mark_are_the_less_sure_the_more_of_it_is_left(mark):
    wholes = [(20, 100, wide, 40) for wide in (40, 60, 120, 200)]
    sure = [Traits([(mark(20, cut=0.2), LETTER)], [whole], (480, 640))._word()[0] for whole in wholes]
    assert sure[0] == 0
    assert sure == sorted(sure, reverse=True)
    assert len(set(sure)) == 4


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(5, 60), st.floats(0.1, 1)), min_size=1, max_size=12))
def test_a_word_is_never_surer_than_its_surest_mark(mark, marks):
    read = [(mark(x, wide), Reading(4, confidence, any_digit=confidence)) for x, wide, confidence in marks]
    sure = Traits(read, [], (480, 640))._word()
    assert np.isfinite(sure).all()
    assert (sure <= max(np.log(999) - 4, 0) + 1e-9).all()


def test_a_letter_that_looks_like_a_digit_is_left_out_beside_refused_ones_and_a_digit_is_not(mark):
    others = [(20 + 35 * place, 100, 30, 40) for place in (1, 2)]
    assert believed([(mark(20), LETTER)], [], (480, 640))
    assert not believed([(mark(20), LETTER)], others, (480, 640))
    assert believed([(mark(20), DIGIT)], others[:1], (480, 640))  # the 2 of 2x


def test_signs_and_an_x_are_lower_than_digits_and_count_less_than_letters(mark):
    """3x+ and, further on, 20."""
    digits = [(mark(x), DIGIT) for x in (20, 300, 335)]

    def beside(high):
        return [(20 + 35 * place, 140 - high, 30, high) for place in (1, 2)]

    signs, letters = (Traits(digits, beside(high), (480, 640))._word()[0] for high in (26, 38))
    assert letters < signs < 0
    assert len(believed(digits, beside(26), (480, 640))) == 3
    assert len(believed(digits, beside(38), (480, 640))) == 2


def test_a_small_digit_of_a_thin_pen_is_read_beside_large_ones_of_a_marker(mark):
    large = [(mark(60 + 200 * place, 110, 160, stroke=16.0, contrast=0.8), Reading(3, 0.999)) for place in range(3)]
    small = (mark(800, 20, 30, stroke=3.0, contrast=0.4), Reading(6, 0.999))
    speck = (mark(1400, 20, 30, stroke=3.0, contrast=0.4, rough=0.2), Reading(6, 0.8, any_digit=0.8))
    assert believed([*large, small, speck], [], (1080, 1920)) == [*large, small]


def test_a_bare_1_is_believed_where_it_stands_alone_on_the_page(mark):
    one = (mark(120, 8, 160, stroke=8.0, contrast=0.5, rough=0.03, crowd=0.0), Reading(1, 0.9))
    speck, scratch = (500, 300, 20, 30), (500, 300, 4, 100)
    assert believed([one], [], (480, 640))
    assert believed([one], [speck], (480, 640))
    assert not believed([one], [scratch], (480, 640))
