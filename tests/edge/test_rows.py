"""Marks of digits that touch, read by windows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.candidate import candidate_of
from edgits.edge.ink import Level
from edgits.edge.marks import Mark
from edgits.edge.pieces import crossings, cut_between
from edgits.edge.results import Reading
from edgits.edge.rows import is_row, look_along, row_of, trusted


def mark_of(mask, corner=(20, 15)):
    gray = np.full((mask.shape[0] + 30, mask.shape[1] + 40), 200, np.uint8)
    ink = np.zeros_like(gray)
    ink[corner[1] : corner[1] + mask.shape[0], corner[0] : corner[0] + mask.shape[1]] = 180 * mask
    level = Level(gray, ink, (ink > 0).view(np.uint8), np.zeros_like(gray), 1.0, (0, 0))
    return candidate_of(level, Mark(mask, corner, 4.0), 0.0, 0.0)


def two_bars():
    """Two broad strokes joined by a thin one."""
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 4:22] = mask[:, 36:56] = 1
    mask[20:22, 22:36] = 1
    return mask


def readings(seen, digits):
    """Readings that see digits at columns, and none elsewhere."""
    found = []
    for column in seen.columns:
        near = [(digit, abs(column - at)) for at, digit in digits.items()]
        digit, apart = min(near, key=lambda one: one[1], default=(0, 99.0))
        sure = max(0.01, 0.99 - 0.1 * apart)
        found.append(Reading(digit, sure, sure > 0.5))
    return found


def test_ink_is_shared_out_between_the_digits_that_windows_show():
    mark = mark_of(two_bars())
    seen = look_along(mark, 28)
    row = row_of(seen, readings(seen, {13: 3, 46: 8}))
    assert [reading.digit for _, reading in row] == [3, 8]
    (left, _), (right, _) = row
    x, y, _, _ = mark.box
    assert left.box[:2] == (x + 4, y)
    assert left.box[0] + left.box[2] <= right.box[0]
    assert right.box[0] + right.box[2] == x + 56
    assert left.mark.mask.sum() + right.mark.mask.sum() == mark.mark.mask.sum()
    assert 0 < left.cut == right.cut < 0.1, "the thin stroke alone is cut"


def test_what_lies_far_from_every_middle_is_left_out():
    mask = np.zeros((40, 140), np.uint8)
    mask[18:22] = 1
    mask[:, 10:30] = mask[:, 110:130] = 1
    seen = look_along(mark_of(mask), 28)
    row = row_of(seen, readings(seen, {20: 5}))
    ((piece, reading),) = row
    assert reading.digit == 5
    assert piece.box[2] < 70
    assert row_of(seen, readings(seen, {})) == []


def test_windows_too_near_to_one_another_show_one_digit():
    seen = look_along(mark_of(two_bars()), 28)
    every = [Reading(7, 0.9, True) for _ in seen.columns]
    middles = [piece.box[0] + piece.box[2] / 2 for piece, _ in row_of(seen, every)]
    assert 1 <= len(middles) <= 60 / (0.24 * 40)


@given(st.lists(st.floats(0, 1), min_size=30, max_size=30), st.integers(0, 2**31))
def test_pieces_are_parts_of_the_mark_and_share_no_ink(sure, seed):
    mask = (np.random.default_rng(seed).random((36, 80)) < 0.3).astype(np.uint8)
    mask[0, 0] = mask[-1, -1] = 1
    mark = mark_of(mask)
    seen = look_along(mark, 28)
    shown = [Reading(3, share, share > 0.5) for share in (sure * 3)[: len(seen.columns)]]
    total = np.zeros_like(mask, np.int64)
    left, top = mark.mark.corner
    for piece, reading in row_of(seen, shown):
        assert reading.accepted
        x, y = piece.mark.corner
        h, w = piece.mark.mask.shape
        total[y - top : y - top + h, x - left : x - left + w] += piece.mark.mask
    assert total.max(initial=0) <= 1
    assert not (total > mask).any()


@given(st.integers(0, 2**31), st.floats(-5, 50), st.floats(0, 60))
def test_a_cut_lies_between_its_bounds_and_none_there_is_better(seed, low, reach):
    mask = (np.random.default_rng(seed).random((30, 40)) < 0.3).astype(np.uint8)
    ways = crossings(mask)
    cut = cut_between(ways, low, low + reach, 30)
    assert min(max(int(low), 0), 39) <= cut.column <= max(min(low + reach, 40), min(max(int(low), 0), 39)) + 1

    def cost(ink, column):
        return ink + 0.5 * abs(column - (low + reach / 2)) / 30

    first, last = min(max(int(low), 0), 39), min(round(low + reach), 40)
    others = [cost(crossed[column], column + 0.5) for _, crossed in ways for column in range(first, last)]
    assert cost(cut.ink, cut.column) <= min(others, default=np.inf) + 1e-9


def test_a_row_is_believed_by_all_of_its_digits_and_by_the_ink_they_explain():
    mark = mark_of(two_bars())
    seen = look_along(mark, 28)
    (left, _), (right, _) = row_of(seen, readings(seen, {13: 3, 46: 8}))

    def kept(*confidences, several=0.9, pieces=(left, right)):
        row = [(piece, Reading(3, sure)) for piece, sure in zip(pieces, confidences, strict=False)]
        return len(trusted(row, mark, several))

    assert kept(0.99, 0.99) == 2
    assert kept(0.6, 0.6, several=0.05) == 0
    assert kept(0.8, 0.99) > kept(0.8, 0.3, several=0.3)
    assert kept(0.9, several=0.3) == 0, "half of the ink is not explained"
    assert trusted([], mark, 0.9) == []


def test_one_digit_stays_one_if_the_model_is_sure_of_it():
    mark = mark_of(two_bars())
    row = [(mark, Reading(1, 0.95)), (mark, Reading(0, 0.95))]
    assert is_row(row, [], 0.0)
    assert not is_row(row, [(mark, Reading(4, 0.9))], 0.05)
    assert is_row(row, [(mark, Reading(4, 0.9))], 0.6)
    assert is_row(row, [(mark, Reading(4, 0.4))], 0.05)
    assert not is_row(row[:1], [(mark, Reading(4, 0.4))], 0.9), "a row has two digits at least"
