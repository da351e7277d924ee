import math

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
    for length in lengths:
        for _ in range(length):
            tall, wide = round(height * random.uniform(0.85, 1.1)), round(height * random.uniform(0.15, 0.8))
            boxes.append((x, 100 + random.randint(-10, 10), wide, tall))
            x += wide + round(height * random.uniform(-0.1, 0.3))
        x += round(height * random.uniform(1.6, 6))
    assert split_numbers(boxes) == lengths


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
