"""How a recipe's images are varied while training; that a training goes on is in `test_resume`."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")

from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.recipes import RECIPES


@pytest.mark.parametrize(("changes", "made"), [({"variants": 2}, 2), ({"augment": False}, 1)])
def test_images_are_varied_as_often_as_the_recipe_says_and_epochs_ask(mnist5k, tmp_path, changes, made):
    parts = [Part(mnist5k.take(np.arange(0, 5000, 100)))]
    recipe = replace(RECIPES["nano"], epochs=3, **changes)
    run = fit_run(parts, recipe, tmp_path / "run", variants=tmp_path / "variants")
    assert len(run.history) == 3
    names = sorted(path.name for path in (tmp_path / "variants").glob("*/variant-*.npy"))
    assert names == [f"variant-{number}.npy" for number in range(made)]
