"""The command that trains a shipped model again; the sets are stand-ins of a few images."""

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("keras")

from edgits.train import shipped
from edgits.train.data import load_dataset
from edgits.train.mixture import Part
from edgits.train.teacher import load_keras


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs the command into folders of `tmp_path`; returns the weights of the model it made and what it said."""
    every = load_dataset("mnist5k")
    order = np.random.default_rng(1).permutation(len(every))
    digits, held = every.take(order[:240]), every.take(order[240:300])
    marks = [np.random.default_rng(1).integers(0, 255, (20, 32, 32), np.uint8)]
    monkeypatch.setattr(shipped, "load_parts", lambda data: ([Part(digits, 1.0)], {"held back": held}))
    monkeypatch.setattr(shipped, "load_marks", lambda data: (marks, (marks[0], marks[0])))
    monkeypatch.setattr(shipped, "load_dataset", lambda name: held)

    def run(out, *arguments):
        options = ["--tier", "nano", "--out", tmp_path / out, "--variants", tmp_path / "variants", *arguments]
        result = CliRunner().invoke(shipped.main, [str(tmp_path), *map(str, options)])
        assert result.exit_code == 0, result.output
        return load_keras(tmp_path / out / "model.keras").get_weights(), result.output

    return run


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_epochs_given_twice_are_two_trainings_the_second_from_the_first(train, tmp_path):
    both, said = train("both", "--epochs", "2", "--epochs", "1")
    assert "both-1  epoch 2/2" in said
    assert "both  epoch 1/1" in said
    first, _ = train("first", "--epochs", "2")
    second, said = train("second", "--epochs", "1", "--start", tmp_path / "first")
    assert same(first, load_keras(tmp_path / "both-1" / "model.keras").get_weights())
    assert same(second, both)
    assert not same(first, second)
    assert "omniglot" in said
    again, said = train("both", "--epochs", "2", "--epochs", "1", "--resume")
    assert "both-1" not in said  # it was finished
    assert same(again, both)
