"""The same recipe on every backend of Keras that is installed, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

# Trains, and once more with an interruption; the second has to come to the same weights.
SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # importing it fails, as where it isn't installed
from pathlib import Path
import keras
from edgits.normalize import Normalization
from edgits.train.data import load_dataset
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.recipes import Recipe

recipe = Recipe(
    "test", "classic", "", normalization=Normalization("resize"), epochs=3, batch_size=16, augment=False, reject=False
)
parts = [Part(load_dataset("data.npz"))]

def stop(row):
    if row["epoch"] == 2:
        raise KeyboardInterrupt

whole = fit_run(parts, recipe, Path("whole"))
try:
    fit_run(parts, recipe, Path("cut"), on_epoch=stop)
except KeyboardInterrupt:
    fit_run(parts, recipe, Path("cut"), resume=True)
weights = [
    [weight.tobytes() for weight in keras.models.load_model(f"{name}/model.keras").get_weights()]
    for name in ("whole", "cut")
]
losses = [row["loss"] for row in whole.history]
print(keras.backend.backend(), weights[0] == weights[1], losses[-1] < losses[0])
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_recipe_runs_on(backend, tmp_path, mnist5k):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} isn't installed: pip install {backend}")
    few = mnist5k.take(np.arange(0, 5000, 50))
    np.savez(tmp_path / "data.npz", images=few.images, labels=few.labels)
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == [backend, "True", "True"]
