"""How a recipe's images are varied while training; that a training goes on is in `test_resume`."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")

from edgits.stats import softmax
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.models import build
from edgits.train.recipes import RECIPES
from edgits.train.teacher import load_keras


@pytest.mark.parametrize(("changes", "made"), [({"variants": 2}, 2), ({"augment": False}, 1)])
def test_images_are_varied_as_often_as_the_recipe_says_and_epochs_ask(mnist5k, tmp_path, changes, made):
    parts = [Part(mnist5k.take(np.arange(0, 5000, 100)))]
    recipe = replace(RECIPES["nano"], epochs=3, **changes)
    run = fit_run(parts, recipe, tmp_path / "run", variants=tmp_path / "variants")
    assert len(run.history) == 3
    names = sorted(path.name for path in (tmp_path / "variants").glob("*/variant-*.npy"))
    assert names == [f"variant-{number}.npy" for number in range(made)]


def test_a_model_that_knew_no_several_gets_an_output_for_them(tmp_path):
    before = build("nano", size=28, classes=11)
    before.layers[-1].bias.assign(np.linspace(-1, 1, 11))
    before.save(tmp_path / "before.keras")
    images = np.random.default_rng(0).random((6, 28, 28, 1), np.float32)
    said = softmax(before.predict(images, verbose=0))
    now = softmax(load_keras(tmp_path / "before.keras", 12).predict(images, verbose=0))
    assert now[:, :10] == pytest.approx(said[:, :10], abs=1e-5)
    assert now[:, 10] == pytest.approx(now[:, 11])
    assert now[:, 10:].sum(axis=1) == pytest.approx(said[:, 10], abs=1e-5)
    assert load_keras(tmp_path / "before.keras").output_shape == (None, 11)
