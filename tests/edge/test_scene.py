"""The built-in scene: the same frames for the same seed, and a truth that is where the ink is."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgits.edge.scene import PAGE_SECONDS, Scene
from edgits.edge.scene_page import draw_page, handwriting

seeds = st.integers(0, 10_000)


def test_there_are_enough_real_digits_of_each_kind():
    kept = handwriting()
    assert sorted(kept) == list(range(10))
    assert all(len(masks) >= 9 for masks in kept.values())
    for mask in (mask for masks in kept.values() for mask in masks):
        assert mask.shape[0] == 48
        assert mask.max() > 150
        assert 0.02 < (mask > 127).mean() < 0.75
        assert mask.dtype == np.uint8
        assert all(
            edge.max() > 30 for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])
        )  # nothing cut off, no margin


@settings(max_examples=15, deadline=None)
@given(seed=seeds, index=st.integers(0, 100_000))
def test_a_frame_is_a_function_of_seed_and_index(seed, index):
    scene = Scene(seed=seed, width=320, height=240)
    image, truth = scene.frame(index)
    scene.frame(index + 200)  # another page, between the two
    draw_page.cache_clear()
    again, truth_again = Scene(seed=seed, width=320, height=240).frame(index)
    assert np.array_equal(image, again)
    assert truth == truth_again


def test_another_seed_gives_another_text_and_each_page_its_own():
    texts = {Scene(seed=seed, width=320, height=240).frame(75 * page)[1].text for seed in range(6) for page in range(6)}
    assert len(texts) >= 34


def test_a_page_is_seen_for_its_time_and_moves():
    scene = Scene(seed=1, width=320, height=240, fps=20)
    frames = [scene.frame(index) for index in range(int(PAGE_SECONDS * 20) + 1)]
    texts = [truth.text for _, truth in frames]
    assert len(set(texts[:-1])) == 1
    assert texts[-1] != texts[-2]
    boxes = np.array([[box for _, box in truth.digits] for _, truth in frames[:-1]])
    assert np.ptp(boxes[:, :, :2], axis=0).max() > 3


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    index=st.integers(0, 3000),
    size=st.sampled_from([(320, 240), (640, 480), (640, 360), (480, 640), (333, 257), (1280, 320)]),
)
def test_the_truth_is_in_the_frame_and_in_reading_order(seed, index, size):
    width, height = size
    image, truth = Scene(seed=seed, width=width, height=height).frame(index)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    lines = truth.text.split("\n")
    assert 1 <= len(lines) <= 3
    assert all(1 <= len(line) <= 6 for line in lines)
    rest = list(truth.digits)
    previous_foot = -1.0
    for line in lines:
        members, rest = rest[: len(line)], rest[len(line) :]
        assert "".join(str(digit) for digit, _ in members) == line
        for _, (x, y, w, h) in members:
            assert x > 0
            assert y > 0
            assert x + w < width
            assert y + h < height
            assert w >= 1
            assert h >= 10
        lefts = [box[0] for _, box in members]
        assert lefts == sorted(lefts)
        foot = float(np.mean([box[1] + box[3] for _, box in members]))
        assert foot > previous_foot
        previous_foot = foot


@pytest.mark.parametrize("seed", range(8))
def test_the_ink_is_in_the_boxes_and_nowhere_else(seed):
    image, truth = Scene(seed=seed).frame(30)
    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 1.2)
    paper = cv2.morphologyEx(gray, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8)).astype(float)
    ink = 1 - gray / np.maximum(paper, 1)
    boxed = np.zeros(gray.shape, bool)
    for _, (x, y, w, h) in truth.digits:
        inside = ink[y : y + h, x : x + w]
        strong = inside > 0.3 * inside.max()
        assert inside.max() > 0.2
        rows, columns = np.nonzero(strong)  # the ink reaches each side of its box
        assert max(rows.min(), columns.min(), h - 1 - rows.max(), w - 1 - columns.max()) <= 5
        boxed[max(0, y - 3) : y + h + 3, max(0, x - 3) : x + w + 3] = True
    left, top = min(box[0] for _, box in truth.digits), min(box[1] for _, box in truth.digits)
    right = max(box[0] + box[2] for _, box in truth.digits)
    bottom = max(box[1] + box[3] for _, box in truth.digits)
    between = ~boxed[top:bottom, left:right]
    assert not between.any() or np.percentile(ink[top:bottom, left:right][between], 99) < 0.15


def test_frames_look_like_a_camera_s():
    scene = Scene(seed=2)
    images = np.stack([scene.frame(75 * page)[0] for page in range(12)])
    assert 90 < images.mean() < 190
    for image in images:
        corner, middle = image[:12, :12].mean(), np.median(image[100:380, 160:480])
        assert middle > corner  # paper is lighter than what is around it, even in shadow
    first, second = scene.frame(10)[0].astype(int), scene.frame(11)[0].astype(int)
    assert 1 < np.abs(first - second).mean() < 25  # noise and motion, no cut


@pytest.mark.parametrize("wrong", [{"width": 319}, {"height": 100}, {"fps": 0.0}])
def test_a_wrong_size_is_refused(wrong):
    with pytest.raises(ValueError, match="320x240"):
        Scene(**wrong)


def test_it_needs_numpy_and_opencv_only():
    code = (
        "import sys; from edgits.edge.scene import Scene; Scene(width=320, height=240).frame(0);"
        "print(*{'tensorflow', 'keras', 'pandas', 'matplotlib', 'sklearn', 'mlxtend', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
