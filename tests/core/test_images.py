import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgits.errors import DataError
from edgits.images import read_image, to_gray

HEADS = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"P5 4 4 255\n"]


@pytest.fixture
def picture():
    rng = np.random.default_rng(1)
    return cv2.resize(rng.integers(0, 255, (6, 9, 3), np.uint8), (90, 60), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_formats_are_read(tmp_path, picture, suffix):
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), picture)
    found = read_image(path)
    assert (found.shape, found.dtype) == ((60, 90, 3), np.uint8)
    assert np.abs(found.astype(int) - picture).mean() < 8


def test_the_content_decides_not_the_suffix(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    (tmp_path / "a.png").rename(tmp_path / "a.txt")
    assert (read_image(tmp_path / "a.txt") == picture).all()


@pytest.mark.parametrize("kind", ["grey", "16 bit", "opaque"])
def test_every_depth_becomes_8_bit_colour(tmp_path, picture, kind):
    stored = {
        "grey": picture[:, :, 0],
        "16 bit": picture.astype(np.uint16) * 257,
        "opaque": np.dstack([picture, np.full((60, 90), 255, np.uint8)]),
    }[kind]
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    expected = np.dstack([picture[:, :, 0]] * 3) if kind == "grey" else picture
    assert np.abs(read_image(tmp_path / "a.png").astype(int) - expected).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_is_transparent_is_white_paper(tmp_path, suffix):
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 18:22] = 255
    cv2.imwrite(str(tmp_path / f"a{suffix}"), np.dstack([np.zeros((40, 40, 3), np.uint8), alpha]))
    found = read_image(tmp_path / f"a{suffix}").astype(int)
    assert found[:5].min() > 250
    assert found[15:25, 19:21].max() < 5


def test_a_photo_taken_upright_is_turned(tmp_path, picture):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise to see it upright
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif.tobytes(), quality=95)
    assert read_image(tmp_path / "a.jpg").shape == (90, 60, 3)


def test_names_of_other_alphabets_are_read(tmp_path, picture):
    path = tmp_path / "ziffer ü 数字.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert read_image(path).shape == (60, 90, 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"P5 4 4 255\n"])
)
def test_any_bytes_are_an_image_or_a_data_error(tmp_path, data, head):
    path = tmp_path / "a.png"
    path.write_bytes(head + data)
    with contextlib.suppress(DataError):
        image = read_image(path)
        assert image.dtype == np.uint8
        assert image.ndim == 3


@pytest.mark.parametrize(("make", "says"), [("nothing", "can't read"), ("folder", "can't read"), ("empty", "0 bytes")])
def test_what_holds_no_image_is_named(tmp_path, make, says):
    path = tmp_path / "a.png"
    if make == "folder":
        path.mkdir()
    if make == "empty":
        path.touch()
    with pytest.raises(DataError, match=says):
        read_image(path)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_grey_has_two_axes(shape):
    gray = to_gray(np.full(shape, 77, np.uint8))
    assert gray.shape == (5, 7)
    assert (gray == 77).all()
