import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgits.edge.layout import reading_order, split_numbers


@settings(max_examples=200)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.floats(-7, 7),
    st.integers(12, 120),
    st.randoms(use_true_random=False),
)
def test_lines_on_tilted_paper_are_read_in_order(lengths, degrees, height, random):
    angle = math.radians(degrees)
    boxes = []
    for row, length in enumerate(lengths):
        for column in range(length):
            x, y = column * height * 0.9, row * height * 2.4
            tall = height * random.uniform(0.75, 1.2)
            centre = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
            boxes.append(
                (round(centre[0]) + 1000, round(centre[1] - tall / 2) + 1000, round(height * 0.6), round(tall))
            )
    shuffled = list(range(len(boxes)))
    random.shuffle(shuffled)
    lines = reading_order([boxes[i] for i in shuffled])
    assert [shuffled[i] for line in lines for i in line] == list(range(len(boxes)))
    assert [len(line) for line in lines] == lengths


@given(st.lists(st.tuples(*[st.integers(0, 500)] * 2, *[st.integers(1, 200)] * 2), max_size=30))
def test_every_box_is_in_exactly_one_line(boxes):
    lines = reading_order(boxes)
    assert sorted(i for line in lines for i in line) == list(range(len(boxes)))
    assert all(line for line in lines)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.integers(20, 150),
    st.randoms(use_true_random=False),
)
def test_numbers_of_a_line_are_told_apart_by_their_gaps(lengths, height, random):
    boxes, x = [], random.randint(0, 100)
    single = max(lengths) == 1  # nothing tells then how far apart the digits of a number are
    for length in lengths:
        for place in range(length):
            tall, wide = round(height * random.uniform(0.85, 1.1)), round(height * random.uniform(0.15, 0.8))
            boxes.append((x, 100 + random.randint(-10, 10), wide, tall))
            far = random.uniform(1.7, 6) if single else random.uniform(0.9, 6)
            x += wide + round(height * (random.uniform(-0.1, 0.2) if place < length - 1 else far))
    assert split_numbers(boxes) == lengths


@pytest.mark.parametrize(
    ("gaps", "sizes"),
    [
        ([49], [2]),
        ([149], [2]),
        ([150], [1, 1]),
        ([0, 49], [3]),
        ([0, 50], [2, 1]),
        ([-30, 50, -30], [2, 2]),
        ([20, 59], [3]),
        ([20, 61], [2, 1]),
        ([61, 20, 61, 20], [1, 2, 2]),
        ([100, 20, 300, 140], [1, 2, 1, 1]),
    ],
)
def test_the_gap_that_parts_two_numbers(gaps, sizes):
    """In hundredths of a height."""
    starts = np.cumsum([0, *(gap + 40 for gap in gaps)]).tolist()
    assert split_numbers([(start, 7, 40, 100) for start in starts]) == sizes


def test_lines_are_told_apart_though_they_are_close_and_a_far_digit_goes_on_in_its_line():
    above, below = [(0, 100, 30, 50), (60, 100, 30, 50)], [(30, 160, 30, 50), (400, 160, 30, 50)]
    assert reading_order(above + below) == [[0, 1], [2, 3]]


@given(st.integers(1, 12), st.integers(20, 150), st.floats(0, 1.2), st.randoms(use_true_random=False))
def test_evenly_spaced_digits_are_one_number(count, height, gap, random):
    boxes, x = [], 10.0
    for _ in range(count):
        wide = random.choice((0.2, 0.5, 0.7)) * height
        boxes.append((round(x), 50, round(wide), height))
        x += wide + height * gap * random.uniform(0.8, 1.2)
    assert split_numbers(boxes) == [count]


@given(st.lists(st.tuples(*[st.integers(0, 500)] * 2, *[st.integers(1, 200)] * 2), max_size=30))
def test_numbers_hold_every_digit(boxes):
    sizes = split_numbers(sorted(boxes))
    assert sum(sizes) == len(boxes)
    assert all(size > 0 for size in sizes)
