"""Turning, mirroring, regions: what is shown, and where it lies in the source."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.camera import open_camera
from edgits.edge.live import Settings, watch
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult, Turn
from edgits.edge.scene import Scene
from edgits.edge.view import Region, placed
from edgits.errors import CameraError


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Recognizer.load("nano"))


@given(st.text(alphabet="0123456789.,-+einfa ", max_size=30))
def test_a_text_is_a_region_or_the_error_says_what_one_is(text):
    try:
        region = Region.parse(text)
    except ValueError as error:
        region, said = None, str(error)
    if region is None:
        assert text in said
    else:
        assert min(region.width, region.height) > 0
        assert Region.parse(str(region)).shares == region.shares


@given(
    st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 4000), st.integers(1, 4000)),
    st.integers(16, 2000),
    st.integers(16, 2000),
)
def test_a_region_lies_in_the_picture_or_is_refused(values, width, height):
    left, top, wide, high = values
    if min(left + wide, width) - left < 16 or min(top + high, height) - top < 16:
        with pytest.raises(CameraError, match="16x16 is the least"):
            Region(*values).box(width, height)
        return
    x, y, w, h = Region(*values).box(width, height)
    assert 0 <= x < x + w <= width
    assert 0 <= y < y + h <= height
    assert min(w, h) >= 16


def test_shares_and_pixels():
    assert Region.parse("0.25,0.5,0.5,0.25").box(640, 480) == (160, 240, 320, 120)
    assert Region.parse("160, 240, 320, 120").box(640, 480) == (160, 240, 320, 120)
    assert Region.parse("0,0,1,1").box(640, 480) == (0, 0, 640, 480)
    assert Region.parse("600,400,100,100").box(640, 480) == (600, 400, 40, 80)
    for text in ("0.6,0,0.5,1", "1,2,3", "a,b,c,d", "0,0,0,1", "-1,0,50,50", "1.5,2,30,40", "nan,0,1,1", "0,0,inf,5"):
        with pytest.raises(ValueError, match="region"):
            Region.parse(text)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_camera_that_stands_askew_is_read_upright_and_boxes_lie_in_its_own_pixels(tmp_path, reader, rotate, mirror):
    """The page is turned the other way, as such a camera would see it; a film of it is read with the turn."""
    page, truth = Scene().frame(20)
    askew = cv2.flip(page, 1) if mirror else page
    back = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
    askew = cv2.rotate(askew, back[rotate]) if rotate else askew
    cv2.imwrite(str(tmp_path / "photo.png"), askew)
    with open_camera(str(tmp_path / "photo.png"), turn=Turn(rotate, mirror)) as camera:
        (shot,) = watch(camera, reader)
    assert np.array_equal(shot.frame.image, page)
    assert shot.result.text == truth.text
    value = shot.result.to_json()
    assert (value["height"], value["width"]) == askew.shape[:2]
    for (_, box), said in zip(truth.digits, value["digits"], strict=True):
        marked = np.zeros(page.shape, np.uint8)
        marked[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 255
        marked = cv2.flip(marked, 1) if mirror else marked
        marked = cv2.rotate(marked, back[rotate]) if rotate else marked
        x, y, w, h = said["box"]
        assert marked[y + h // 2, x + w // 2].all()


def test_only_the_region_is_read_and_boxes_stay_in_the_pixels_of_the_picture(reader):
    with open_camera("scene") as camera:
        shots = list(watch(camera, reader, settings=Settings(Region.parse("0,0,1,0.4")), max_frames=5))
    whole = reader.read(shots[-1].frame.image, source="x")
    assert shots[-1].result.text == whole.text.split("\n")[0]
    assert shots[-1].result.region == (0, 0, 640, 192)
    assert shots[-1].result.height == 480
    for part, digit in zip(shots[-1].result.digits, whole.digits, strict=False):
        assert part.box == pytest.approx(digit.box, abs=4)


def test_the_region_may_change_while_the_loop_runs(reader):
    settings = Settings()
    with open_camera("scene") as camera:
        for count, shot in enumerate(watch(camera, reader, settings=settings, max_frames=4)):
            assert (shot.result.region is None) == (count < 2)
            settings.region = Region.parse("320,0,320,480") if count == 1 else settings.region
    assert all(digit.box[0] >= 320 for digit in shot.result.digits)


def test_what_was_read_in_a_region_is_brought_to_its_place_the_doubtful_too():
    digits = (Digit(3, 0.9, (5, 6, 20, 30)), Digit(4, 0.2, (50, 6, 20, 30)))
    result = placed(FrameResult("x", 100, 80, digits[:1], (1,), doubtful=digits[1:]), (200, 100, 100, 80), 640, 480)
    assert (result.width, result.height, result.region) == (640, 480, (200, 100, 100, 80))
    assert [digit.box for digit in (*result.digits, *result.doubtful)] == [(205, 106, 20, 30), (250, 106, 20, 30)]
