"""An interrupted training goes on as if nothing had been: the same weights to the bit, the same history."""

import csv
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from edgits import files
from edgits.errors import ModelError, OutputError
from edgits.normalize import Normalization
from edgits.train.checkpoint import Checkpoint
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.recipes import RECIPES, Recipe
from edgits.train.split import split_parts

# Keras 3.15 under NumPy 2.4, when it saves a model on TensorFlow
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

# A schedule and dropout: both have to go on where they were.
RECIPE = Recipe(
    "test",
    "classic",
    "",
    normalization=Normalization("resize"),
    epochs=4,
    batch_size=16,
    schedule="cosine",
    augment=False,
    reject=False,
)


@pytest.fixture(scope="module")
def parts(mnist5k):
    return [Part(mnist5k.take(np.arange(0, 5000, 50)))]


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    """A training that nothing interrupted."""
    return fit_run(parts, RECIPE, tmp_path_factory.mktemp("whole"))


def outcome(run):
    """Weights and history of a run, without its times."""
    with open(run / "history.csv", newline="") as file:
        rows = [{key: row[key] for key in row if key not in ("seconds", "waited")} for row in csv.DictReader(file)]
    return [weights.tobytes() for weights in keras.models.load_model(run / "model.keras").get_weights()], rows


def stop_in_a_step(epoch, step):
    def on_batch(now, done, left):
        if (now, done) == (epoch, step):
            raise KeyboardInterrupt

    return {"on_batch": on_batch}


def stop_after(epoch):
    def on_epoch(row):
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return {"on_epoch": on_epoch}


def test_interrupted_again_and_again_it_comes_to_the_same(parts, whole, tmp_path):
    for point in (stop_in_a_step(1, 3), stop_after(2), stop_in_a_step(3, 4)):
        with pytest.raises(KeyboardInterrupt):
            fit_run(parts, RECIPE, tmp_path, resume=True, **point)
    run = fit_run(parts, RECIPE, tmp_path, resume=True)
    assert outcome(tmp_path) == outcome(whole.folder)
    assert run.card.accuracy == whole.card.accuracy
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("file", ["model.keras", "test.npz"])
def test_interrupted_before_any_file_is_in_its_place_it_comes_to_the_same(parts, whole, tmp_path, monkeypatch, file):
    real = files.whole_file

    def stops(path):
        if path.name == file and (path.parent == tmp_path or Checkpoint(tmp_path).exists()):
            raise KeyboardInterrupt
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "whole_file", stops)
        with pytest.raises(KeyboardInterrupt):
            fit_run(parts, RECIPE, tmp_path)
    fit_run(parts, RECIPE, tmp_path, resume=True)
    assert outcome(tmp_path) == outcome(whole.folder)


def test_killed_at_any_moment_it_comes_to_the_same(parts, whole, tmp_path):
    """Kill -9 of the real command, at moments that differ from one run of the test to the next."""
    data, run = tmp_path / "data.npz", tmp_path / "run"
    np.savez(data, images=parts[0].data.images, labels=parts[0].data.labels)
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from edgits.train.data import load_dataset
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from test_resume import RECIPE
data = Part(load_dataset({str(data)!r}))
fit_run([data], RECIPE, Path({str(run)!r}), resume=True, on_epoch=lambda row: print("epoch", flush=True))
"""
    command = [sys.executable, "-c", script]
    for epoch in (1, 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            for _ in range(epoch):
                process.stdout.readline()  # or its end, if it was that quick
            time.sleep(random.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    assert outcome(run) == outcome(whole.folder)


def test_only_the_same_training_goes_on(parts, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit_run(parts, RECIPE, tmp_path, **stop_after(2))
    with pytest.raises(OutputError, match="unfinished training; go on with it by --resume"):
        fit_run(parts, RECIPE, tmp_path)
    with pytest.raises(ModelError, match=r"began with seed 1, now it is 2; ask for the same"):
        fit_run(parts, RECIPE, tmp_path, seed=2, image_seed=1, resume=True)
    other = [Part(parts[0].data.take(np.arange(99)))]
    with pytest.raises(ModelError, match=r"began with data\.0\.trained_on"):
        fit_run(other, RECIPE, tmp_path, resume=True)
    with pytest.raises(ModelError, match=r"began with recipe\.name test, now it is classic"):
        fit_run(parts, RECIPES["classic"], tmp_path, resume=True)
    (tmp_path / "checkpoint" / "model.keras").write_bytes(b"PK torn")
    with pytest.raises(ModelError, match="can't be read"):
        fit_run(parts, RECIPE, tmp_path, resume=True)


def test_patience_ends_a_training_and_takes_the_best_epoch(parts, tmp_path):
    hasty = replace(RECIPE, epochs=40, learning_rate=0.01, schedule="constant", patience=3)
    run = fit_run(parts, hasty, tmp_path / "whole")
    losses = [row["val_loss"] for row in run.history]
    assert 3 < len(losses) < 40
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3, "stops three epochs after the best"
    model = keras.models.load_model(run.folder / "model.keras")
    watched = split_parts(parts, None, hasty, 1).watched
    logits = model.predict(hasty.normalization.batch(watched.images), verbose=0)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)(np.eye(10)[watched.labels], logits)
    assert float(loss) == pytest.approx(losses[best], rel=1e-4)
    assert float(loss) < losses[-1] * 0.999
    with pytest.raises(KeyboardInterrupt):
        fit_run(parts, hasty, tmp_path / "cut", **stop_in_a_step(len(losses), 2))
    fit_run(parts, hasty, tmp_path / "cut", resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
