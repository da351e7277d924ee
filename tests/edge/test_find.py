import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgits.edge.find import look, views
from edgits.edge.ink import estimate_paper, see
from edgits.edge.results import Area


def page(text="407", *, size=(480, 640), paper=220, ink=60, scale=3.0, thickness=6, at=(120, 260)):
    frame = np.full((*size, 3), paper, np.uint8)
    cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (ink,) * 3, thickness, cv2.LINE_AA)
    return frame


def lit(frame, strength=0.6):
    """Lights a frame from the left and lays a hard shadow over its lower right."""
    height, width = frame.shape[:2]
    light = np.linspace(1, 1 - strength, width)[None, :] * np.ones((height, 1))
    light[height // 2 :, width // 2 :] *= 0.7
    return (frame * light[..., None]).astype(np.uint8)


def inside(box, frame):
    x, y, w, h = box
    return x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= frame.shape[1] and y + h <= frame.shape[0]


@pytest.mark.parametrize("change", [lambda f: f, lit, lambda f: 255 - f, lambda f: (f * 0.3).astype(np.uint8)])
def test_digits_are_found_in_any_light_and_polarity(change):
    boxes = sorted(candidate.box for candidate in look(change(page())).candidates)
    assert len(boxes) == 3
    for (x, y, w, h), left in zip(boxes, (120, 180, 240), strict=True):
        assert abs(x - left) < 25
        assert 50 < h < 90
        assert 20 < w < 70
        assert 180 < y < 215


def test_large_frames_give_boxes_of_the_frame_and_crops_of_enough_pixels():
    small = page()
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    few, many = (
        sorted(sorted((c.box for c in look(frame).candidates), key=lambda box: -box[3])[:3]) for frame in (small, large)
    )
    assert len(few) == len(many) == 3
    for a, b in zip(few, many, strict=True):
        assert np.allclose(np.array(a) * 4, b, atol=12)
    assert sorted(candidate.crop.shape[0] for candidate in look(large).candidates)[-3] > 64


def test_thick_and_thin_pens_and_small_digits():
    for thickness in (1, 3, 14):
        assert len(look(page(thickness=thickness)).candidates) == 3
    assert len(look(page("12", scale=0.6, thickness=1)).candidates) == 2


def test_the_edge_of_the_sheet_and_a_ruled_line_are_no_marks():
    frame = np.full((480, 640, 3), 40, np.uint8)
    cv2.fillPoly(frame, [np.array([[60, 30], [600, 50], [580, 450], [40, 430]])], (225, 225, 225))
    cv2.line(frame, (70, 330), (575, 338), (120, 120, 120), 2)
    cv2.putText(frame, "58", (220, 260), cv2.FONT_HERSHEY_SIMPLEX, 3, (50, 50, 50), 6, cv2.LINE_AA)
    boxes = sorted(candidate.box for candidate in look(frame).candidates)
    assert len(boxes) == 2
    assert 215 < boxes[0][0] < 240


@pytest.mark.parametrize("beyond", [30, 12, 3])
def test_a_sheets_shadowed_edge_is_no_mark_where_the_frame_ends_beside_it_either(beyond):
    frame = np.full((480, 640, 3), 200, np.uint8)
    frame[:, 640 - beyond :] = 90
    frame[150:260, 630 - beyond : 640 - beyond] = 50  # its shadow
    mirrored = np.ascontiguousarray(frame[:, ::-1])
    assert look(frame).candidates == look(mirrored).candidates == []


def test_digits_in_a_printed_grid_stay_apart_from_it():
    frame = np.full((480, 640, 3), 220, np.uint8)
    for place in range(5):
        cv2.line(frame, (100 + 100 * place, 40), (100 + 100 * place, 440), (40, 40, 40), 3)
        cv2.line(frame, (100, 40 + 100 * place), (500, 40 + 100 * place), (40, 40, 40), 3)
    for row, column in ((0, 0), (1, 2), (3, 3)):
        at = (125 + 100 * column, 120 + 100 * row)
        cv2.putText(frame, "6", at, cv2.FONT_HERSHEY_SIMPLEX, 2, (60, 60, 60), 5, cv2.LINE_AA)
    assert len(look(frame).candidates) == 3


def test_texture_and_an_empty_sheet_hold_no_digits():
    rng = np.random.default_rng(1)
    coarse = rng.integers(40, 220, (60, 80)).astype(np.uint8)
    texture = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    assert sum(candidate.rough + candidate.crowd < 0.3 for candidate in look(texture).candidates) <= 2
    sheet = np.clip(rng.normal(180, 8, (480, 640)), 0, 255).astype(np.uint8)
    assert look(sheet).candidates == []


def test_the_crop_shows_one_mark_only():
    frame = page("11", at=(200, 260))
    first, second = sorted(look(frame).candidates, key=lambda candidate: candidate.box)
    assert second.box[0] - first.box[0] < 70  # near enough to be in each other's crop
    for candidate in (first, second):
        dark = (candidate.crop < 120).astype(np.uint8)
        assert cv2.connectedComponents(dark)[0] == 2  # the paper and one mark


def test_a_broken_digit_is_one_mark():
    frame = page("5", scale=4, thickness=8, at=(200, 300))
    whole = look(frame).candidates[0].box
    x, y, w, h = whole
    frame[y + h // 3 : y + h // 3 + 5, x - 5 : x + w + 5] = 220
    boxes = [candidate.box for candidate in look(frame).candidates]
    assert len(boxes) == 1
    assert np.allclose(boxes[0], whole, atol=3)


def test_a_digit_beside_the_rest_of_a_line_is_not_lost_with_it():
    """What stands below a taller mark may be a piece of it; where both make no digit, each is looked at alone."""
    frame = page("8", scale=2, thickness=5, at=(200, 300))
    (alone,) = look(frame).candidates
    x, y, w, h = alone.box
    for across in range(x + 2, x + w, 10):  # a ladder of two cells' width: no digit, and none with the 8
        cv2.line(frame, (across, y - 3 * h), (across, y - 8), (90, 90, 90), 1)
    for along in range(y - 3 * h, y - 7, 14):
        cv2.line(frame, (x + 2, along), (x + w, along), (90, 90, 90), 1)
    assert alone.box in [candidate.box for candidate in look(frame).candidates]


def test_touching_digits_may_have_many_holes_a_mesh_is_no_mark():
    frame = page("")
    for x in range(120, 260, 36):
        cv2.putText(frame, "8", (x, 260), cv2.FONT_HERSHEY_SIMPLEX, 2.4, (60, 60, 60), 9, cv2.LINE_AA)
    assert [candidate.box[2] > 2 * candidate.box[3] for candidate in look(frame).candidates] == [True]
    mesh = page("")
    for at in range(200, 290, 14):
        cv2.line(mesh, (at, 200), (at, 284), (60, 60, 60), 4)
        cv2.line(mesh, (200, at), (284, at), (60, 60, 60), 4)
    assert look(mesh).candidates == []


def test_touching_digits_are_cut_where_they_touch():
    frame = page("33", scale=4, thickness=8, at=(120, 300))
    cv2.line(frame, (180, 296), (230, 296), (60, 60, 60), 6)
    found = look(frame)
    (mark,) = found.candidates
    pieces = found.pieces(mark)
    middle = mark.box[0] + mark.box[2] / 2
    ends = sorted(pieces)
    last = max(end for _, end in ends)
    halves = [
        (pieces[0, cut], pieces[cut, last]) for cut in range(1, last) if (0, cut) in pieces and (cut, last) in pieces
    ]
    parted = [
        (left, right)
        for left, right in halves
        if abs(left.box[0] + left.box[2] - middle) < 25 and abs(right.box[0] - middle) < 25
    ]
    assert parted
    left, right = min(parted, key=lambda halves: halves[0].cut)
    assert 0 < left.cut == right.cut < 0.15  # the line between them is thin
    assert mark.cut == pieces[0, last].cut == 0
    assert max(piece.cut for piece in pieces.values()) > 0.8  # through both a 3's strokes and the other's


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 300), st.integers(0, 2**32 - 1), st.booleans())
def test_any_frame_gives_boxes_within_it(height, width, seed, smooth):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    if smooth:
        frame = cv2.GaussianBlur(frame, (0, 0), 4)
    (closer,) = views(frame, Area((0, 0, width, height), frozenset({0.5})))
    for candidate in (*look(frame).candidates, *closer.candidates):
        assert inside(candidate.box, frame)
        assert candidate.crop.size > 0
        assert 0 <= candidate.contrast <= 1


def test_the_paper_is_seen_through_the_ink():
    frame = page()[:, :, 0]
    coarse = cv2.resize(frame, (80, 60), interpolation=cv2.INTER_AREA)
    paper = estimate_paper(coarse, (640, 480), 8)
    assert paper.shape == frame.shape
    assert int(paper.min()) > 150  # the ink is at 60
    assert np.median(paper) == 220


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 300), st.integers(1, 40), st.integers(40, 200))
def test_the_edge_of_a_shadow_is_no_ink(at, softness, shade):
    light = 220 - (220 - shade) * (0.5 + 0.5 * np.tanh((np.arange(320) - at) / softness))
    frame = np.repeat(light[None].astype(np.uint8), 240, axis=0)
    # where the rim cuts a soft edge, it can't be told from a cut stroke beside it; nothing there is a mark
    cut = 0 if 3 * softness <= at <= 320 - 3 * softness else 4
    assert all(not level.mask[:, cut : level.mask.shape[1] - cut].any() for level in see(frame))
    assert all(not page.candidates for page in views(frame))


def test_the_shadowed_edge_of_a_sheet_is_no_stroke():
    image = np.full((240, 320, 3), 205, np.uint8)
    cv2.line(image, (120, 90), (120, 150), (60, 60, 60), 6, cv2.LINE_AA)  # a 1
    image[:, 280:] = 90  # the table
    image[60:150, 281:289] = 45  # the sheet's shadow on it
    image = cv2.GaussianBlur(image, (0, 0), 1)
    places = [candidate.box[0] for page in views(image) for candidate in page.candidates]
    assert any(110 <= x <= 125 for x in places)
    assert not any(270 <= x <= 295 for x in places)


def test_a_low_digit_at_the_rim_lies_in_the_frame_when_seen_closer():
    seen = 0
    for wide in range(6, 13):
        frame = np.full((60, 101), 215, np.uint8)
        glyph = np.full((13, wide), 215, np.uint8)
        cv2.polylines(glyph, [np.array([[1, 1], [1, 6], [wide - 1, 6], [wide - 1, 1], [wide - 1, 12]])], False, 60, 1)
        frame[20:33, 101 - wide :] = glyph
        (closer,) = views(frame, Area((0, 0, 101, 60), frozenset({0.5})))
        for candidate in closer.candidates:
            assert inside(candidate.box, frame)
            seen += 1
    assert seen


@pytest.mark.parametrize("height", range(240, 480, 30))
def test_the_stem_of_a_digit_that_fills_a_tall_photo_is_no_ruled_line(height):
    page = np.full((height, round(0.7 * height)), 215, np.uint8)
    left, head, foot = round(0.35 * height), round(0.2 * height), round(0.8 * height)
    pen, wide = max(2, height // 100), round(0.12 * height)
    cv2.ellipse(page, (left - wide, head), (wide, round(0.1 * height)), 0, 0, 360, 60, pen)
    cv2.line(page, (left, head), (left, foot), 60, pen)
    assert any(candidate.box[3] > 0.65 * height for candidate in look(page).candidates)
