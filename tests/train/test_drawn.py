"""Digits drawn as plain strokes."""

import cv2
import numpy as np
import pytest

from edgits.edge.recognizer import Recognizer
from edgits.train.augment import is_clean_ink
from edgits.train.drawn import drawn_digits


@pytest.fixture(scope="module")
def digits():
    return drawn_digits(1000, 3)


def test_all_ten_are_drawn_alike_often_and_whole(digits):
    assert digits.images.shape == (1000, 84, 84)
    assert np.bincount(digits.labels).tolist() == [100] * 10
    assert all(is_clean_ink(image) for image in digits.images)
    rim = np.concatenate([digits.images[:, [0, -1]].reshape(-1), digits.images[:, :, [0, -1]].reshape(-1)])
    assert not rim.any()


def test_pens_are_thin_and_broad_and_every_digit_is_drawn_in_many_ways(digits):
    widths = [2 * cv2.distanceTransform((image > 127).view(np.uint8), cv2.DIST_L2, 3).max() for image in digits.images]
    assert min(widths) <= 2
    assert max(widths) >= 9
    assert len(np.unique(digits.images.reshape(1000, -1), axis=0)) == 1000


def test_one_seed_draws_the_same_again_and_another_does_not(digits):
    assert np.array_equal(drawn_digits(1000, 3).images, digits.images)
    assert not np.array_equal(drawn_digits(1000, 4).images, digits.images)


def test_a_model_reads_them_as_what_they_are(digits):
    recognizer = Recognizer.load("base")
    scores = recognizer.probabilities(recognizer.card.normalization.batch(digits.images))[:, :10]
    right = scores.argmax(axis=1) == digits.labels
    assert right.mean() > 0.95
    assert min(right[digits.labels == digit].mean() for digit in range(10)) > 0.85
