import numpy as np
import pytest

from edgits.benchmarks.corruptions import KINDS, PUBLISHED, SEVERITIES
from edgits.benchmarks.robustness import Robustness, as_ink, measure_robustness
from edgits.benchmarks.sustain import Slice, Sustained, sustain
from edgits.normalize import Normalization


class Child:
    """Reads the digit of which an image has most ink in common with the mean; a blurry one sees half the pixels."""

    def __init__(self, means, step):
        self.means, self.step, self.normalization, self.asked = means, step, Normalization("resize"), 0

    def ask(self, what, inputs, **_):
        self.asked += 1
        assert what == "read"
        images = np.load(inputs)[..., 0][:, :: self.step, :: self.step]
        means = self.means[:, :: self.step, :: self.step]
        distance = ((images[:, None] - means) ** 2).sum(axis=(2, 3))
        return {"digits": distance.argmin(axis=1).tolist()}


def test_every_digit_is_read_in_every_way(digits, tmp_path):
    means = np.stack([digits.images[digits.labels == digit].mean(axis=0) / 255 for digit in range(10)])
    children = [Child(means, 1), Child(means, 3)]
    steps = []
    few = digits.take(np.arange(40))
    found = measure_robustness(children, ["fine", "coarse"], few, tmp_path, steps.append)
    assert found.spoilt.shape == (2, len(KINDS), len(SEVERITIES), 40)
    assert [child.asked for child in children] == [76, 76]
    assert len(steps) == len(KINDS)
    assert found.clean[0].mean() > 0.6
    errors = found.errors()
    assert errors[0].mean() > 1 - found.clean[0].mean()
    assert errors[0, KINDS.index("rotate"), 4] > errors[0, KINDS.index("rotate"), 0]
    assert list(tmp_path.iterdir()) == [], "what was spoilt isn't kept"
    value = found.to_json()
    assert set(value["errors"][0]["kinds"]) == set(KINDS)
    assert value["published"] == PUBLISHED


def planted(extra, clean=0.0, n=400):
    """A second model that reads a share `extra` less of the spoilt digits, and `clean` less of the clean ones."""
    rng = np.random.default_rng(1)
    first = rng.random((len(KINDS), len(SEVERITIES), n)) < 0.9
    second = first & (rng.random(first.shape) >= extra)
    right = np.ones(n, bool)
    return Robustness(("a", "b"), np.stack([right, rng.random(n) >= clean]), np.stack([first, second]))


def test_a_planted_loss_is_found_and_none_is_not_claimed():
    value, low, high = planted(0.02).extra_loss(1)
    assert low < value < high
    assert low > 0
    assert value == pytest.approx(1.8, abs=0.4)
    assert planted(0).extra_loss(1) == (0, 0, 0)
    assert "more accuracy than it costs a: +1" in planted(0.02).verdict(1)
    assert "isn't shown" in planted(0).verdict(1)


def test_what_is_lost_on_clean_digits_too_is_not_the_spoiling():
    found = planted(0.03, clean=0.03)
    assert found.loss(1, 3)[0] > 1.5
    value, low, _ = found.extra_loss(1)
    assert low < 0
    assert abs(value) < 2.5


def test_the_published_severity_is_taken_of_each_kind():
    found = planted(0)
    for number, kind in enumerate(KINDS):
        expected = 1 - found.spoilt[0, number, PUBLISHED[kind] - 1].mean()
        assert found.published()[0, number] == pytest.approx(expected)


def test_digits_of_any_kind_become_ink(digits):
    np.testing.assert_array_equal(as_ink(digits.images[:20]), digits.images[:20])
    for other in (255 - digits.images[:20], np.kron(digits.images[:5], np.ones((2, 2), np.uint8))):
        made = as_ink(other)
        assert (made.shape[1:], made.dtype) == ((28, 28), np.uint8)
        assert np.median(made) == 0


class Runner:
    def __init__(self, us):
        self.us, self.asked = us, 0

    def ask(self, what, inputs, seconds):
        assert what == "run_for"
        self.asked += 1
        return {"us": [self.us * (1 + self.asked)] * 3}


class Inputs:
    def file(self, child):
        return ""


def test_models_run_on_in_turn():
    found = sustain([Runner(1.0), Runner(5.0)], ["a", "b"], Inputs(), 0.05, lambda _: None)
    assert [part.row for part in found.slices] == [0, 1] * (len(found.slices) // 2)
    assert found.slices[-1].at_s >= 0.04
    assert found.to_json()["rows"] == ["a", "b"]


def test_the_last_fifth_is_compared_with_the_first():
    slices = [Slice(float(i), 0, 100.0 if i < 5 else 130.0, 140.0, None, None, None) for i in range(10)]
    assert Sustained(("a",), tuple(slices)).change(0) == pytest.approx(1.3)
    assert Sustained(("a",), tuple(slices[:1])).change(0) == 1
