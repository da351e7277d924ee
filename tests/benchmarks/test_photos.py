import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgits.benchmarks.photos import KINDS, main, make, score
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer

KIND = pytest.mark.parametrize("kind", KINDS)


@KIND
def test_the_same_seed_gives_the_same_photo(mnist5k, kind):
    first, second, other = (make(kind, mnist5k, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.image, second.image)
    assert first.digits == second.digits
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


@KIND
def test_a_photo_shows_what_it_says(mnist5k, kind):
    made = [make(kind, mnist5k, np.random.default_rng(seed)) for seed in range(12)]
    assert all(photo.image.dtype == np.uint8 and photo.image.ndim == 3 for photo in made)
    assert all(min(photo.image.shape[:2]) >= 480 for photo in made)
    counts = {len(photo.digits) for photo in made}
    assert counts == {"single": {1}, "nothing": {0}}.get(kind, counts)
    assert kind in ("single", "nothing") or max(counts) > 9


def test_digits_that_touch_are_one_piece_more_often_than_others(mnist5k):
    """Pieces of ink for each digit, on the drawn page, before paper and camera."""

    def pieces(kind):
        ink = [np.zeros((600, 800), np.uint8) for _ in range(10)]
        digits = [len(KINDS[kind](page, mnist5k, np.random.default_rng(seed))) for seed, page in enumerate(ink)]
        return sum(cv2.connectedComponents((page > 60).view(np.uint8))[0] - 1 for page in ink) / sum(digits)

    assert pieces("touching") < 0.8 < pieces("several")


@pytest.mark.parametrize(("kind", "least"), [("single", 0.9), ("several", 0.9), ("touching", 0.6)])
def test_the_shipped_model_reads_them(mnist5k, kind, least):
    found = score(Reader(Recognizer.load("small")), kind, mnist5k, count=15, seed=5)
    assert found.f1 >= least
    assert found.f1 == pytest.approx(1 - (found.missed + found.false) / (2 * found.digits + found.false - found.missed))


def test_a_reader_of_nothing_misses_all(mnist5k, monkeypatch):
    reader = Reader(Recognizer.load("small"), threshold=1.1)
    found = score(reader, "several", mnist5k, count=3, seed=5)
    assert (found.f1, found.missed, found.false) == (0, found.digits, 0)


def test_the_command_prints_a_line_for_each_kind_and_model():
    result = CliRunner().invoke(main, ["mnist5k", "small", "nano", "--count", "2"], catch_exceptions=False)
    lines = result.output.splitlines()
    assert lines[0].split() == ["photos", "model", "F1", "digits", "missed", "false"]
    assert [line.split()[:2] for line in lines[1:]] == [[kind, model] for kind in KINDS for model in ("small", "nano")]
    assert [len(line.split()) for line in lines[1:]] == [6] * 6 + [5] * 2  # no F1 where there are no digits
