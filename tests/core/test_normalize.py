import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgits.errors import ModelError
from edgits.normalize import VERSION, Normalization, place

INK = Normalization()
RESIZE = Normalization("resize")
SIDE = st.integers(1, 300)
CROPS = st.tuples(SIDE, SIDE, st.sampled_from([(), (1,), (3,), (4,)])).flatmap(
    lambda size: arrays.arrays(np.uint8, (*size[:2], *size[2]), elements=st.integers(0, 255), fill=st.integers(0, 255))
)
# What may differ where the same digit is seen in another light: grey levels of 255, mean over the image.
# Different digits are 35 apart.
ALIKE = 6.0


@pytest.fixture(scope="module")
def written(mnist5k):
    """Forty real digits, four of each, drawn larger: light paper of grey 200, ink of grey 60; float64 (80, 72)."""
    chosen = np.concatenate([np.flatnonzero(mnist5k.labels == digit)[:4] for digit in range(10)])
    pages = []
    for image in mnist5k.images[chosen]:
        ink = cv2.resize(image, (56, 56), interpolation=cv2.INTER_CUBIC) / 255.0
        pages.append(200 - 140 * np.pad(ink, ((12, 12), (8, 8))))
    return pages


def seen(page):
    return np.clip(page, 0, 255).round().astype(np.uint8)


def apart(first, second):
    """Mean difference in grey levels; a shift by one pixel, which models are trained to bear, doesn't count."""
    first, second = np.pad(first, 1).astype(int), np.pad(second, 1).astype(int)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(np.abs(first - np.roll(second, shift, (0, 1))).mean() for shift in shifts)


def beyond(shape, angle, distance):
    """Where a page is beyond a straight edge, so many heights from its middle: bool (H, W)."""
    y, x = np.mgrid[: shape[0], : shape[1]] - np.array(shape).reshape(2, 1, 1) / 2
    return x * np.cos(angle) + y * np.sin(angle) > distance * shape[0]


def differences(pages, others):
    return np.array(
        [apart(INK.one(seen(page)), INK.one(seen(other))) for page, other in zip(pages, others, strict=True)]
    )


@settings(max_examples=150, deadline=None)
@given(CROPS)
def test_any_crop_becomes_one_size(crop):
    for normalization in (INK, RESIZE):
        result = normalization.one(crop)
        assert (result.shape, result.dtype) == ((28, 28), np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.lists(CROPS, max_size=3), st.integers(8, 64))
def test_a_batch_is_what_a_model_takes(crops, size):
    batch = Normalization(size=size).batch(crops)
    assert (batch.shape, batch.dtype) == ((len(crops), size, size, 1), np.float32)
    assert ((batch >= 0) & (batch <= 1)).all()


@settings(deadline=None)
@given(SIDE, SIDE, st.integers(0, 255))
def test_blank_paper_has_no_ink(height, width, grey):
    assert not INK.one(np.full((height, width), grey, np.uint8)).any()


def test_the_result_is_white_ink_on_black_and_fills_the_square(written):
    for page in written:
        result = INK.one(seen(page))
        assert np.median(result) == 0
        assert result.max() > 200
        rows, columns = np.flatnonzero(result.max(axis=1) > 64), np.flatnonzero(result.max(axis=0) > 64)
        longest = max(np.ptp(rows), np.ptp(columns)) + 1
        assert 18 <= longest <= 22, "MNIST's digits are 20 pixels long"


def test_the_centre_of_mass_is_in_the_middle(written):
    for page in written:
        result = INK.one(seen(page)).astype(float)
        grid = np.arange(28) + 0.5
        centre = (result.sum(axis=0) @ grid / result.sum(), result.sum(axis=1) @ grid / result.sum())
        assert np.abs(np.array(centre) - 14).max() <= 2.5


def test_mnist_itself_hardly_changes(mnist5k):
    images = mnist5k.images[::50]
    assert np.median([apart(INK.one(image), image) for image in images]) < ALIKE


def test_polarity_does_not_matter(written):
    assert differences(written, [255 - page for page in written]).max() < 1


@pytest.mark.parametrize(("gain", "offset"), [(1, 40), (1, -50), (0.5, 60), (0.25, 20), (1.2, 0)])
def test_brightness_and_contrast_do_not_matter(written, gain, offset):
    found = differences(written, [gain * page + offset for page in written])
    assert np.median(found) < ALIKE
    assert np.mean(found < 2 * ALIKE) >= 0.95


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0), (-0.3, 0), (0, 0.3), (0.2, -0.2)])
def test_a_slope_of_light_does_not_matter(written, dx, dy):
    height, width = written[0].shape
    y, x = np.mgrid[:height, :width]
    light = 0.7 + dx * (x / width - 0.5) + dy * (y / height - 0.5)
    found = differences(written, [page * light for page in written])
    assert np.median(found) < ALIKE
    assert np.mean(found < 2 * ALIKE) >= 0.9


@pytest.mark.parametrize("angle", [0, 0.3, 1.7, 2.5])
def test_a_hard_shadow_across_a_digit_does_not_matter(written, angle):
    light = np.where(beyond(written[0].shape, angle, 0.15), 0.35, 1)
    found = differences(written, [cv2.GaussianBlur(page * light, (0, 0), 0.8) for page in written])
    assert np.median(found) < ALIKE
    assert np.mean(found < 2 * ALIKE) >= 0.85


def test_a_strip_that_turns_light_and_dark_round_does_not_matter(written):
    strip = beyond(written[0].shape, 0.2, 0.2) | beyond(written[0].shape, 0.2 + np.pi, 0.25)
    turned = [cv2.GaussianBlur(np.where(strip, 260 - page, page), (0, 0), 0.8) for page in written]
    found = differences(written, turned)
    assert np.median(found) < ALIKE
    assert np.mean(found < 2 * ALIKE) >= 0.85


def test_a_little_noise_does_not_matter(written):
    noise = np.random.default_rng(0)
    found = differences(written, [page + noise.normal(0, 4, page.shape) for page in written])
    assert np.median(found) < ALIKE


def test_different_digits_stay_different(written):
    """The bounds above mean something: other digits are much further apart."""
    ones, zeros = written[4:8], written[:4]
    assert differences(ones, zeros).min() > 3 * ALIKE


def test_colour_is_no_matter(written):
    gray = seen(written[0])
    colour = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    assert (INK.one(colour) == INK.one(gray)).all()
    assert (INK.one(gray[..., None]) == INK.one(gray)).all()


@settings(max_examples=50, deadline=None)
@given(CROPS)
def test_the_crop_is_not_changed(crop):
    before = crop.copy()
    INK.one(crop)
    RESIZE.one(crop)
    assert (crop == before).all()


def test_resize_keeps_grey_levels_as_they_are():
    crop = np.full((28, 28), 93, np.uint8)
    assert (RESIZE.one(crop) == crop).all()
    assert RESIZE.batch([crop])[0, 0, 0, 0] == np.float32(93 / 255)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"method": "magic"}, "'magic'"),
        ({"version": VERSION + 1}, f"version {VERSION + 1}"),
        ({"version": 0}, "version 0"),
        ({"size": 7}, "8 to 512"),
        ({"size": 513}, "8 to 512"),
    ],
)
def test_another_normalisation_is_refused(fields, says):
    with pytest.raises(ModelError, match=says):
        Normalization(**fields)


def test_json_round_trip():
    for normalization in (INK, Normalization("resize", 32), Normalization(version=1)):
        assert Normalization(**normalization.to_json()) == normalization


@pytest.mark.parametrize("dark_ink", [True, False])
def test_a_batch_is_told_the_ink_s_side_too(dark_ink):
    crop = np.full((40, 40), 120, np.uint8)
    crop[8:32, 12:18], crop[8:32, 24:28] = 30, 220  # a dark stroke and a light one
    told = INK.batch([crop], dark_ink=dark_ink)[0, ..., 0]
    np.testing.assert_array_equal(told, INK.one(crop, dark_ink=dark_ink) / np.float32(255))
    other = INK.batch([crop], dark_ink=not dark_ink)[0, ..., 0]
    assert np.abs(told - other).max() > 0.5


@pytest.mark.parametrize("shape", [(12, 1), (1, 12), (1, 1)])
def test_ink_of_one_pixel_s_width_is_placed(shape):
    ink = np.zeros((20, 20), np.uint8)
    ink[4 : 4 + shape[0], 6 : 6 + shape[1]] = 255
    placed = place(ink, 28)
    assert placed.max() == 255
    y, x = np.nonzero(placed > 128)
    assert abs(y.mean() - 13.5) <= 1
    assert abs(x.mean() - 13.5) <= 1
