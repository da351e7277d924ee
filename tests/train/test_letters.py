"""Letters drawn as plain strokes."""

import numpy as np
import pytest

from edgits.edge.recognizer import Recognizer
from edgits.train.letters import drawn_letters


@pytest.fixture(scope="module")
def letters():
    rng = np.random.default_rng(3)
    return np.stack([drawn_letters(rng) for _ in range(400)])


def test_letters_are_drawn_whole_and_in_many_ways(letters):
    assert letters.shape == (400, 84, 84)
    assert letters.dtype == np.uint8
    assert not letters[:, [0, -1]].any()
    assert not letters[:, :, [0, -1]].any()
    assert len(np.unique(letters.reshape(400, -1), axis=0)) == 400


def test_one_seed_draws_the_same_again(letters):
    rng = np.random.default_rng(3)
    assert np.array_equal(np.stack([drawn_letters(rng) for _ in range(5)]), letters[:5])


def test_few_of_them_are_read_as_digits(letters):
    readings = Recognizer.load("small").read(list(letters))
    assert sum(reading.digit is not None for reading in readings) < 0.1 * len(letters)
