import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edgits.edge.layout import reading_order


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
