"""The command that trains a shipped model again; the sets are stand-ins of a few images."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("keras")

from edgits.card import load_card
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
    marks = np.random.default_rng(1).integers(0, 255, (20, 32, 32), np.uint8)
    monkeypatch.setattr(shipped, "load_parts", lambda data: ([Part(digits, 1.0)], {"held back": held}))
    monkeypatch.setattr(shipped, "load_marks", lambda data, words: ({"noise": marks}, {"omniglot": marks}))
    monkeypatch.setattr(shipped, "load_words", lambda data: [])
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


def test_what_is_rejected_is_told_at_the_cards_threshold_and_where_99_percent_of_digits_are_accepted(tmp_path):
    weights = Path(shipped.__file__).parent / "weights"
    for name in ("nano.keras", "nano.keras.card.json"):
        shutil.copy(weights / name, tmp_path / name.replace("nano", "model"))
    digits = load_dataset("mnist5k").take(np.arange(1000))
    run = SimpleNamespace(folder=tmp_path, card=load_card(tmp_path / "model.keras"))
    noise = np.random.default_rng(1).integers(0, 255, (50, 28, 28), np.uint8)
    figures = shipped.judge(run, {"digits": digits}, {"the same": digits.images, "noise": noise})
    assert figures["the same"]["rejected"] == pytest.approx(1 - figures["digits"]["accepted"])
    assert figures["the same"]["rejected_at_99_percent_accepted"] == pytest.approx(0.01, abs=0.001)
    assert figures["noise"]["rejected_at_99_percent_accepted"] > 0.9


def test_glyphs_that_a_person_may_read_as_a_digit_are_not_learnt_as_none_but_judged(tmp_path):
    characters = ("Balinese/character05", "Greek/character01", "Greek/character15", "Korean/character22")
    glyphs = np.arange(4, dtype=np.uint8)[:, None, None] + np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "glyphs.npz", images=glyphs, path=[f"{character}/1.png" for character in characters])
    learnt, judged = shipped._omniglot(tmp_path / "glyphs.npz")
    assert learnt[:, 0, 0].tolist() == [1]  # alpha
    assert judged[:, 0, 0].tolist() == [0]  # of an alphabet that is held back, whatever they look like


def test_unipens_letters_are_no_digits_too_where_they_are_there(tmp_path, monkeypatch):
    cells = {"images": np.zeros((3, 64, 64), np.uint8), "kind": np.array([0, 1, 2]), "label": np.array([0, 1, 2])}
    for name in ("sudoku", "omniglot"):
        (tmp_path / name).mkdir()
    for split in ("train", "val"):
        np.savez(tmp_path / "sudoku" / f"cells-{split}.npz", **cells)
    glyphs = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "omniglot" / "omniglot-dev.npz", images=glyphs, path=["Balinese/a/1.png", "Greek/b/1.png"])
    letters = np.ones((4, 84, 84), np.uint8), np.ones((1, 84, 84), np.uint8)
    monkeypatch.setattr(shipped, "unipen_marks", lambda folder, count: letters)
    counts = {"omniglot": 1, "blank cells": 1}
    assert shipped.load_words(tmp_path) == []
    learnt, held = shipped.load_marks(tmp_path, [])
    assert {name: len(images) for name, images in learnt.items()} == counts
    assert {name: len(images) for name, images in held.items()} == counts
    (tmp_path / "unipen").mkdir()
    joined = np.zeros((40, 200), np.uint8)
    joined[10:30, 10:90] = joined[10:30, 110:190] = 255
    monkeypatch.setattr(shipped, "unipen_words", lambda folder, count: [joined])
    learnt, held = shipped.load_marks(tmp_path, shipped.load_words(tmp_path))
    letters = {"unipen letters": 4, "unipen joined letters": 2}
    assert {name: len(images) for name, images in learnt.items()} == counts | letters
    assert {name: len(images) for name, images in held.items()} == counts | {"unipen letters": 1}
