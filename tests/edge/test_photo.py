"""Photos cut out around their one digit; the shipped model reads."""

import cv2
import numpy as np
import pytest

from edgits.edge.photo import _step, annotate, read_photo, read_photos
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult, Turn
from edgits.edge.view import upright
from edgits.train.drawn import drawn_digits
from edgits.train.letters import drawn_letters


@pytest.fixture(scope="module")
def reader():
    return Reader(Recognizer.load("small"))


def cut_out(image: np.ndarray, rim: int = 0, colour: bool = False) -> np.ndarray:
    """Cuts white ink on black out and writes it dark on paper, 240 pixels high."""
    x, y, w, h = cv2.boundingRect((image > 60).view(np.uint8))
    scale = 240 / h
    ink = cv2.resize(image[y : y + h, x : x + w], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    page = np.asarray(225 - ink / 255 * 170, np.uint8)
    page = cv2.copyMakeBorder(page, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=225)
    return cv2.cvtColor(page, cv2.COLOR_GRAY2BGR) if colour else page


@pytest.mark.parametrize("rim", [0, 2, 10])
def test_a_digit_that_touches_all_sides_of_its_photo_is_read(reader, rim):
    digits = drawn_digits(100, 5)
    right = 0
    for image, label in zip(digits.images, digits.labels, strict=True):
        if label == 1:  # without paper beside it a 1 may be anything
            continue
        photo = cut_out(image, rim, colour=bool(label % 2))
        result = read_photo(reader, photo, source="photo")
        right += result.text == str(label)
        for digit in result.digits:
            x, y, w, h = digit.box
            assert min(x, y) >= 0
            assert x + w <= result.width
            assert y + h <= result.height
    assert right >= 85


def test_ink_on_paper_is_two_greys_and_a_texture_is_not():
    """A normal distribution cut at its middle has 2 / pi of its variance between the halves."""
    rng = np.random.default_rng(3)
    noise = np.clip(rng.normal(128, 25, (200, 200)), 0, 255).astype(np.uint8)
    assert _step(noise, noise > 128) == pytest.approx(2 / np.pi, abs=0.02)
    digit = cut_out(drawn_digits(3, 5).images[2])
    assert _step(digit, digit > 140) > 0.8
    assert _step(np.full((9, 9), 7, np.uint8), np.zeros((9, 9), bool)) == 0


def test_a_picture_full_of_marks_is_not_taken_for_a_digit_that_was_cut_out(reader):
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(12):
        coarse = rng.normal(0, 1, (rng.integers(12, 40), rng.integers(12, 40))).astype(np.float32)
        texture = cv2.resize(coarse, (400, 300), interpolation=cv2.INTER_CUBIC)
        found += len(read_photo(reader, np.uint8(np.clip(128 + 60 * texture, 0, 255)), source="texture").digits)
    assert found == 0


def test_a_blank_photo_holds_nothing(reader):
    assert not read_photo(reader, np.full((300, 200, 3), 230, np.uint8), source="blank").digits


def page_of(images: np.ndarray) -> np.ndarray:
    """Writes images of white ink, five a row, dark on a page."""
    rows = [np.hstack(list(images[start : start + 5])) for start in range(0, len(images), 5)]
    return cv2.copyMakeBorder(np.asarray(225 - np.vstack(rows) / 255 * 170, np.uint8), *[40] * 4, 0, value=225)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_photo_is_read_whichever_way_up_it_is(reader, degrees, tmp_path):
    digits = drawn_digits(40, 8)
    page = page_of(digits.images[np.isin(digits.labels, (2, 3, 4, 5, 7))])  # upside down the others are digits, too
    straight = read_photo(reader, page, source="page")
    assert straight.turn.rotate == 0
    assert len(straight.digits) >= 18
    photo = upright(page, Turn((360 - degrees) % 360))
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photo)
    (result,) = read_photos(reader, [path])
    assert (result.turn.rotate, result.text) == (degrees, straight.text)
    found = result.to_json()
    assert (found["width"], found["height"], found.get("rotate", 0)) == (photo.shape[1], photo.shape[0], degrees)
    for digit in found["digits"]:  # boxes are of the photo as it lies
        x, y, w, h = digit["box"]
        assert photo[y : y + h, x : x + w].min() < 100
    (drawn,) = annotate([result], tmp_path / "drawn")
    assert cv2.imread(str(drawn)).shape[1] == page.shape[1]


@pytest.mark.parametrize(
    ("digits", "as_it_lies", "rotate"),
    [
        ((5, 1, 0, 8, 2), (), 180),
        ((0, 1, 0, 8, 1, 1, 8), (), 0),  # upside down they look the same
        ((5, 1, 0, 8, 2), (0, 1, 1, 8), 180),
        ((5, 1, 0, 8, 2), (2, 7, 4, 4), 0),  # more of those that tell are read as it lies
        ((5, 2), (), 0),
    ],
)
def test_a_turn_is_believed_by_digits_that_tell_which_way_is_up(digits, as_it_lies, rotate):
    class Marked:
        """Reads `digits` where a photo's dark corner is on the left and above, `as_it_lies` where it was before."""

        def read(self, image, *, source):
            found = digits if image[0, 0] == 0 else as_it_lies if image[-1, -1] == 0 else ()
            read = tuple(Digit(digit, 0.95, (10 * place, 0, 8, 10)) for place, digit in enumerate(found))
            doubtful = () if image[0, 0] == 0 else tuple(Digit(4, 0.3, (0, 20 * k, 8, 10)) for k in range(6))
            return FrameResult(source, image.shape[1], image.shape[0], read, (len(read),), {}, doubtful=doubtful)

    photo = np.full((200, 200), 200, np.uint8)
    photo[-1, -1] = 0
    assert read_photo(Marked(), photo, source="marked").turn.rotate == rotate


def test_a_photo_of_letters_stays_as_it_lies(reader):
    rng = np.random.default_rng(6)
    for _ in range(8):
        page = page_of(np.stack([drawn_letters(rng) for _ in range(20)]))
        assert read_photo(reader, page, source="page").turn.rotate == 0
