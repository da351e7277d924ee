"""Trainings spread over machines: two processes on this one, over real sockets."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgits.card import load_card
from edgits.errors import ModelError
from edgits.train.fit import fit_run
from edgits.train.mixture import Part
from edgits.train.recipes import RECIPES
from edgits.train.spread import Spread, begin, find_worker

# Keras 3.15 under NumPy 2.4, when it saves a model on TensorFlow
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TRAIN = ("--recipe", "classic", "--epochs", "4", "--batch-size", "16", "--strategy", "multiworker", "--out", "run")


def environment(worker, ports):
    workers = [f"127.0.0.1:{port}" for port in ports]
    cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": worker}}
    return os.environ | {"TF_CONFIG": json.dumps(cluster), "TF_CPP_MIN_LOG_LEVEL": "3"}


def free_ports(count):
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def test_two_workers_reach_the_accuracy_of_one_and_one_of_them_writes(tmp_path, mnist5k, edgits):
    few = mnist5k.take(np.arange(0, 5000, 12))
    np.savez(tmp_path / "data.npz", images=few.images, labels=few.labels)
    ports, workers = free_ports(2), []
    for index in range(2):
        place = tmp_path / f"machine{index}"
        place.mkdir()
        command = [sys.executable, "-m", "edgits", "train", "../data.npz", *TRAIN]
        pipe = subprocess.PIPE
        workers.append(
            subprocess.Popen(command, cwd=place, env=environment(index, ports), stdout=pipe, stderr=pipe, text=True)
        )
    said = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert not (tmp_path / "machine1" / "run").exists(), "the first alone writes the run folder"
    assert "machine 1 of 2; machine 0 writes the run folder" in said[1][0]
    assert "f1-score" not in said[1][0]
    run = tmp_path / "machine0" / "run"
    together = load_card(run / "model.keras").accuracy
    code, _, _ = edgits("train", tmp_path / "data.npz", *TRAIN[:6], "--out", tmp_path / "alone")
    assert code == 0
    low, high = load_card(tmp_path / "alone" / "model.keras").accuracy["ci95"]
    assert low <= together["value"] <= high
    losses = [
        np.loadtxt(folder / "history.csv", delimiter=",", skiprows=1, usecols=2) for folder in (run, tmp_path / "alone")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.15), "a step is that of one machine, but for dropout"


def test_mirrored_trains_as_one_does(tmp_path, mnist5k):
    parts = [Part(mnist5k.take(np.arange(0, 5000, 50)))]
    recipe = replace(RECIPES["classic"], epochs=2)
    runs = [fit_run(parts, recipe, tmp_path / strategy, strategy=strategy) for strategy in ("one", "mirrored")]
    one, mirrored = ([row[name] for row in run.history for name in ("loss", "val_loss")] for run in runs)
    assert one == pytest.approx(mirrored, rel=0.02)


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (None, "KeyError"),
        ("{", "JSONDecodeError"),
        ('{"cluster": {"worker": ["a:1"]}}', "'task'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}', "worker 3 of 1"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "ps 0 of 1"),
    ],
)
def test_a_wrong_tf_config_is_an_error_that_shows_a_right_one(monkeypatch, config, found):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ModelError, match="set for example TF_CONFIG=") as error:
        find_worker()
    assert found in str(error.value)


def test_another_backend_cannot_spread(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ModelError, match="--strategy mirrored needs KERAS_BACKEND=tensorflow, found jax"):
        begin("mirrored")


def test_what_another_machine_writes_is_taken_away(tmp_path):
    with Spread(worker=1, workers=2).place(tmp_path) as place:
        assert place != tmp_path
        (place / "model.keras").touch()
    assert not place.exists()
    with Spread().place(tmp_path) as place:
        assert place == Path(tmp_path)
