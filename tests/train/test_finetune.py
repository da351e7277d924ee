"""`edgits train --from`: somebody's own digits are learnt, the rest is kept."""

import json
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from edgits.card import load_card
from edgits.dataset import Dataset
from edgits.errors import ModelError
from edgits.stats import softmax
from edgits.train.finetune import Comparison, comparison_text, find_start, recipe_for
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.recipes import RECIPES
from edgits.train.teacher import Teacher, load_keras
from edgits.train.variants import as_input

# Keras 3.15 under NumPy 2.4, when it saves a model on TensorFlow
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def lying(images):
    """A hand that writes lying down: no augmentation turns so far."""
    return np.stack([255 - cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE) for image in images])


@pytest.fixture(scope="module")
def known(tmp_path_factory, mnist5k):
    """A run folder of a quickly trained `nano`."""
    recipe = replace(RECIPES["nano"], epochs=6, augment=False, batch_size=64)
    run = fit_run([Part(mnist5k.take(np.arange(0, 5000, 2)))], recipe, tmp_path_factory.mktemp("known"))
    assert run.card.accuracy["value"] > 0.8
    return run.folder


def test_own_digits_are_learnt_and_the_rest_is_kept(tmp_path, mnist5k, edgits):
    own = mnist5k.take(np.arange(1, 5000, 17))
    np.savez(tmp_path / "own.npz", images=lying(own.images), labels=own.labels)
    run = tmp_path / "run"
    code, out, err = edgits("train", "--from", "small", "--data", tmp_path / "own.npz", "--out", run)
    assert (code, err) == (0, "")
    mine, rest = json.loads((run / "figures.json").read_text())
    assert mine["before"] / mine["n"] < 0.6
    assert mine["change_ci95"][0] > 0.1, "clearly better on one's own"
    assert rest["change_ci95"][0] > -0.01, "and hardly worse, if at all, on the rest"
    assert rest["n"] == 2500
    assert "your digits" in out
    assert "the digits known before" in out
    card = load_card(run / "model.keras")
    assert card.name == "small"
    assert card.accuracy["n"] == mine["n"]
    assert card.accuracy["correct"] == mine["after"]
    code, out, _ = edgits("evaluate", run / "model.keras", run / "test.npz", "--json")
    assert code == 0
    assert json.loads(out)["accuracy"] == pytest.approx(mine["after"] / mine["n"], abs=1e-4)


def test_layers_are_those_of_the_file_whatever_the_tier_is_now(known, tmp_path, mnist5k):
    """Run folders of an older edgits can be trained further."""
    card = load_card(known / "model.keras")
    old = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(4, 5, strides=4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(11),
        ]
    )
    old.save(tmp_path / "old.keras")
    card.save(tmp_path / "old.keras")
    path, card = find_start(str(tmp_path / "old.keras"))
    recipe = replace(recipe_for(card), epochs=1, augment=False)
    few = mnist5k.take(np.arange(0, 5000, 50))
    run = fit_run([Part(few)], recipe, tmp_path / "run", start=path, teacher=path)
    new = keras.models.load_model(run.folder / "model.keras")
    assert [type(layer).__name__ for layer in new.layers] == ["Conv2D", "Flatten", "Dense"]
    assert run.card.parameters == old.count_params() + 6 * 6 * 4 + 1, "an output more, for several digits"
    moved = np.abs(new.get_weights()[0] - old.get_weights()[0]).max()
    assert 0 < moved < 0.1, "it began with the old weights"


def test_a_model_to_start_from_must_be_one_of_ours(tmp_path, edgits):
    for source, message in (
        ("nowhere", "there is no trained model 'nowhere'"),
        (tmp_path, "there is no trained model"),
        (bare(tmp_path), "has no card; give one of"),
    ):
        code, out, err = edgits("train", "--from", source, "--data", "mnist5k", "--out", tmp_path / "run")
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1


def bare(folder):
    path = folder / "model2.keras"
    path.write_bytes(b"x")
    return path


def test_a_start_of_other_shapes_is_an_error(known, tmp_path, mnist5k):
    few = Part(mnist5k.take(np.arange(0, 5000, 100)))
    recipe = replace(RECIPES["nano"], epochs=1, augment=False, reject=False)
    with pytest.raises(ModelError, match=r"gives 12 scores, the recipe wants \(28, 28, 1\) and 10"):
        fit_run([few], recipe, tmp_path, start=known / "model.keras")


def test_a_model_that_reads_rows_by_windows_goes_on_so():
    cards = {name: find_start(name)[1] for name in ("nano", "small")}
    assert {name: recipe_for(card).windows for name, card in cards.items()} == {"nano": False, "small": True}
    assert {name: RECIPES[name].windows for name in cards} == {"nano": False, "small": True}


def test_a_teacher_is_learnt_from(known, tmp_path, mnist5k, edgits):
    data = Dataset(mnist5k.images[::100], mnist5k.labels[::100])
    np.savez(tmp_path / "few.npz", images=data.images, labels=data.labels)
    options = ("--recipe", "nano", "--epochs", 1, "--out", tmp_path / "run")
    code, _, err = edgits("train", tmp_path / "few.npz", "--teacher", known, *options)
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["teacher"] == load_card(known / "model.keras").sha256
    code, _, err = edgits(
        "train", tmp_path / "few.npz", "--teacher", known, "--recipe", "classic", "--out", tmp_path / "other"
    )
    assert code == 2
    assert "takes or gives other values than the recipe 'classic'" in err
    assert not (tmp_path / "other").exists()


def test_the_table_shows_intervals():
    text = comparison_text(
        [Comparison("your digits", 90, 40, 88, 49, 1), Comparison("the rest", 2500, 2490, 2489, 3, 4)]
    )
    lines = text.splitlines()
    assert lines[0].split() == ["images", "before", "after"]
    assert " ".join(lines[1].split()) == "your digits 90 44.4 % (34.6 to 54.7) 97.8 % (92.3 to 99.4)"
    assert len({line.index("(") for line in lines[1:]}) == 1


def test_a_teacher_answers_for_those_it_is_asked_of(known, tmp_path, mnist5k):
    path, images = known / "model.keras", mnist5k.images[:40]
    asked = np.arange(40) % 3 == 0
    wanted = softmax(np.asarray(load_keras(path).predict_on_batch(as_input(images)), np.float32))[asked]
    np.testing.assert_allclose(Teacher(path, 12).answers(images, asked, tmp_path, 5), wanted, atol=1e-5)
    again = Teacher(path, 12).answers(images[:0], asked[:0], tmp_path, 5)  # kept with the variant, not asked again
    np.testing.assert_allclose(again, wanted, atol=1e-5)
