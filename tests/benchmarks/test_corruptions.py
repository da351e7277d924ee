import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgits.benchmarks.corruptions import KINDS, PUBLISHED, SEVERITIES, corrupt
from edgits.errors import DataError

KIND = pytest.mark.parametrize("kind", KINDS)
CHANCE = ("shot noise", "impulse noise", "glass blur", "motion blur", "shear", "rotate", "translate", "fog")
CHANCE += ("spatter", "dotted line", "zigzag")


@pytest.fixture(scope="module")
def images(mnist5k):
    return mnist5k.images[::125]


@KIND
@settings(max_examples=8, deadline=None)
@given(
    images=arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(28), st.just(28))),
    severity=st.sampled_from([None, *SEVERITIES]),
    seed=st.integers(0, 2**32),
)
def test_any_images_give_as_many_of_the_same_kind_and_stay_as_they_are(kind, images, severity, seed):
    before = images.copy()
    spoilt = corrupt(images, kind, severity, seed=seed)
    assert (spoilt.shape, spoilt.dtype) == (images.shape, np.uint8)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(spoilt, corrupt(images, kind, severity, seed=seed))


@KIND
def test_every_severity_changes_every_image_and_the_last_more_than_the_first(kind, images):
    change = [
        np.abs(corrupt(images, kind, severity).astype(float) - images).mean(axis=(1, 2)) for severity in SEVERITIES
    ]
    assert np.mean(change[0] > 0) > 0.9 if kind != "spatter" else np.any(change[0] > 0)
    assert change[-1].mean() > 1.3 * change[0].mean()


@KIND
def test_the_default_is_the_published_severity(kind, images):
    np.testing.assert_array_equal(corrupt(images, kind), corrupt(images, kind, PUBLISHED[kind]))


@pytest.mark.parametrize("kind", CHANCE)
def test_another_seed_spoils_in_another_way(kind, images):
    assert not np.array_equal(corrupt(images, kind, 5), corrupt(images, kind, 5, seed=1))


def test_noise_has_its_published_strength(images):
    grey = np.full((200, 28, 28), 100, np.uint8)
    for severity, share in zip(SEVERITIES, (0.03, 0.06, 0.09, 0.17, 0.27), strict=True):
        assert np.mean(corrupt(grey, "impulse noise", severity) != 100) == pytest.approx(share, abs=0.003)
    for severity, photons in zip(SEVERITIES, (60, 25, 12), strict=False):
        counted = corrupt(grey, "shot noise", severity) / 255
        assert counted.mean() == pytest.approx(100 / 255, rel=0.01)
        assert counted.var() == pytest.approx(100 / 255 / photons, rel=0.1)


def middle(images):
    rows, columns = np.mgrid[:28, :28] - 13.5
    mass = images.sum(axis=(1, 2), dtype=float)
    return np.stack([(images * rows).sum(axis=(1, 2)) / mass, (images * columns).sum(axis=(1, 2)) / mass], 1)


def disc():
    rows, columns = np.mgrid[:28, :28] - 13.5
    return np.repeat(((rows**2 + columns**2 < 30) * 200).astype(np.uint8)[None], 40, axis=0)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_translation_moves_by_whole_pixels_to_a_corner(severity):
    moved = middle(corrupt(disc(), "translate", severity))
    np.testing.assert_allclose(np.abs(moved), severity, atol=0.01)
    assert len({tuple(way) for way in np.sign(moved)}) == 4


@pytest.mark.parametrize(("kind", "area"), [("scale", 0.49), ("rotate", 1), ("shear", 1 / np.cos(0.4))])
def test_what_bends_keeps_the_middle(kind, area):
    bent = corrupt(disc(), kind)
    np.testing.assert_allclose(middle(bent), 0, atol=0.05)
    assert bent.sum() / disc().sum() == pytest.approx(area, rel=0.03)


def test_a_rotation_of_a_bar_has_the_published_angle():
    bar = np.zeros((2, 28, 28), np.uint8)
    bar[:, 4:24, 13:15] = 255
    for severity, angle in zip(SEVERITIES, (0.2, 0.4, 0.6, 0.8, 1.0), strict=True):
        rows, columns = np.mgrid[:28, :28] - 13.5
        turned = corrupt(bar, "rotate", severity)[0].astype(float)
        spread = [(turned * part).sum() for part in (rows * rows, columns * columns, rows * columns)]
        found = 0.5 * np.arctan2(2 * spread[2], spread[0] - spread[1])
        assert abs(found) == pytest.approx(angle, abs=0.03)


def test_stripes_are_inverted_and_undone_by_inverting_again(images):
    striped = corrupt(images, "stripe")
    np.testing.assert_array_equal(striped[:, :, 7:21], images[:, :, 7:21])
    np.testing.assert_array_equal(striped[:, :, :7], 255 - images[:, :, :7])
    np.testing.assert_array_equal(corrupt(striped, "stripe"), images)


def test_brightness_lifts_and_clips(images):
    lifted = corrupt(images, "brightness")
    np.testing.assert_allclose(lifted, np.minimum(images + 127.5, 255), atol=0.51)


def test_lines_only_add_ink(images):
    for kind in ("dotted line", "zigzag"):
        spoilt = corrupt(images, kind)
        assert np.all(spoilt >= images)
        added = np.mean(spoilt.astype(int) - images > 50, axis=(1, 2))
        assert 0.005 < added.mean() < 0.15


def test_edges_of_a_square_are_its_outline():
    square = np.zeros((1, 28, 28), np.uint8)
    square[0, 8:20, 8:20] = 255
    edges = corrupt(square, "canny edges")[0]
    assert set(np.unique(edges)) == {0, 255}
    assert not edges[11:17, 11:17].any()
    assert not edges[:5].any()
    assert edges[7:9, 14].any()


def test_fog_keeps_the_digit_visible_and_fills_the_paper(images):
    foggy = corrupt(images, "fog").astype(float)
    ink, paper = foggy[images > 250].mean(), foggy[images == 0].mean()
    assert paper > 20
    assert ink > paper + 30


@pytest.mark.parametrize(
    ("images", "kind", "severity", "says"),
    [
        (np.zeros((2, 28, 28), np.uint8), "rain", None, "no corruption 'rain'; choose one of shot noise"),
        (np.zeros((2, 28, 28), np.uint8), "fog", 6, "1 to 5, found 6"),
        (np.zeros((2, 28, 28), np.uint8), "fog", 0, "1 to 5, found 0"),
        (np.zeros((2, 64, 64), np.uint8), "fog", None, r"uint8 \(N, 28, 28\), found uint8 \(2, 64, 64\)"),
        (np.zeros((2, 28, 28)), "fog", None, "found float64"),
    ],
)
def test_what_cannot_be_spoilt_is_said(images, kind, severity, says):
    with pytest.raises(DataError, match=says):
        corrupt(images, kind, severity)
