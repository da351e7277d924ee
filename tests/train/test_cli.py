import csv
import importlib.util
import json
import os
import struct
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import openpyxl
import pytest

from edgits.card import load_card
from edgits.errors import MissingExtraError
from edgits.train.cli import _Weighted

# Keras 3.15 under NumPy 2.4, when it saves a model on TensorFlow
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

CLASSIC = ("--recipe", "classic", "--epochs", 2)


@pytest.fixture(scope="module")
def classic(tmp_path_factory, mnist5k):
    """One training over a real folder, looked at by several tests: (run folder, output)."""
    root = tmp_path_factory.mktemp("classic")
    for digit in range(10):
        (root / "digits" / str(digit)).mkdir(parents=True)
        for number, image in enumerate(mnist5k.images[mnist5k.labels == digit][:60]):
            cv2.imwrite(str(root / "digits" / str(digit) / f"{number:03}.png"), 255 - image)
    (root / "digits" / "cats").mkdir()
    cv2.imwrite(str(root / "digits" / "cats" / "tom.png"), mnist5k.images[0])
    (root / "digits" / "3" / "empty.png").touch()
    (root / "digits" / "4" / "cut.png").write_bytes((root / "digits" / "4" / "000.png").read_bytes()[:60])
    command = [sys.executable, "-m", "edgits", "train", "digits", *map(str, CLASSIC), "--out", "run"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "run", done.stdout, done.stderr


def test_classic_writes_the_whole_run_folder(classic):
    run, _, _ = classic
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "model.keras",
        "model.keras.card.json",
        "history.csv",
        "history.png",
        "calibration.npz",
        "test.npz",
        "report.txt",
        "confusion.png",
        "Performance.xlsx",
    }


def test_classic_shows_progress_and_says_what_was_left_out(classic):
    _, out, err = classic
    assert err == ""
    assert "600 images, 28x28" in out
    assert "label -1: 1 left out  (folder 'cats': 1)" in out
    assert "unreadable: 2 skipped" in out
    assert "3/empty.png: is empty" in out
    assert "4/cut.png: holds no readable image" in out
    assert "went into waiting for images" in out
    lines = [line for line in out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    assert all("training" in line and "validation" in line and "left" in line for line in lines)
    assert "f1-score" in out
    for name in ("model.keras", "Performance.xlsx", "confusion.png", "history.png"):
        assert f"run/{name}" in out
    assert out.rstrip().endswith("edgits export run")


def test_classic_is_the_notebooks_recipe(classic):
    run, _, _ = classic
    configuration = json.loads((run / "run.json").read_text())
    recipe = configuration["recipe"]
    assert (recipe["model"], recipe["batch_size"], recipe["epochs"]) == ("classic", 32, 2)
    assert recipe["normalization"]["method"] == "resize"
    assert (configuration["data"][0]["count"], configuration["test"]) == (600, 180)
    assert configuration["data"][0]["left_out"] == {"folder 'cats'": 1}
    assert len(configuration["data"][0]["unreadable"]) == 2
    assert configuration["command"].startswith("edgits train digits --recipe classic")
    with np.load(run / "test.npz") as test:
        assert np.bincount(test["labels"]).tolist() == [18] * 10
        assert test["images"].dtype == np.uint8


def test_history_workbook_and_card_agree(classic):
    run, out, _ = classic
    with open(run / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    book = openpyxl.load_workbook(run / "Performance.xlsx")
    for row, cells in zip(history, book["History"].iter_rows(min_row=2, max_col=5, values_only=True), strict=True):
        assert [float(value) for value in list(row.values())[:5]] == pytest.approx(list(cells), rel=1e-4)
    card = load_card(run / "model.keras")
    with zipfile.ZipFile(run / "model.keras") as stored:
        assert b"optimizer" not in stored.read("model.weights.h5")  # it would take thrice the space
    facts = {name.value: value.value for name, value in book["Summary"].iter_rows(min_row=2)}
    assert facts["Accuracy"] == pytest.approx(card.accuracy["value"])
    assert facts["Accuracy"] == pytest.approx(float(history[-1]["val_accuracy"]), abs=1e-4)
    assert f"accuracy {100 * facts['Accuracy']:.2f} %" in out
    assert facts["Left out (label -1)"] == "folder 'cats': 1"
    assert facts["Data"] == "digits"
    matrix = [row[1:11] for row in book["Confusion matrix"].iter_rows(min_row=2, max_row=11, values_only=True)]
    assert np.trace(matrix) == facts["Right"]
    assert len(book["Misclassified"]._images) == facts["Wrong"]


def test_classic_learns(classic):
    run, _, _ = classic
    assert load_card(run / "model.keras").accuracy["value"] > 0.3, "chance is 0.1"


def test_the_same_seed_gives_the_same_accuracy(digit_folder, tmp_path, edgits):
    folder = digit_folder(20)
    results = []
    for name in ("a", "b"):
        code, _, err = edgits("train", folder, *CLASSIC, "--seed", 5, "--out", tmp_path / name)
        assert (code, err) == (0, "")
        with np.load(tmp_path / name / "test.npz") as test:
            results.append((load_card(tmp_path / name / "model.keras").accuracy, test["images"].tobytes()))
    assert results[0] == results[1]


def test_more_data_and_a_test_set_are_used(digit_folder, tmp_path, edgits):
    first, second = digit_folder(6, digits=(1, 7), name="a"), digit_folder(4, digits=(1, 7), name="b")
    test = digit_folder(3, digits=(1, 7), name="c")
    code, out, _ = edgits("train", first, "--data", f"{second}:2", "--test", test, *CLASSIC, "--out", tmp_path / "run")
    assert code == 0
    configuration = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [(part["weight"], part["trained_on"]) for part in configuration["data"]] == [(1.0, 12), (2.0, 8)]
    assert configuration["test"] == 6
    assert out.count("images, 28x28") == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("digits", ("digits", 1.0)),
        ("digits:0.5", ("digits", 0.5)),
        ("mnist:test", ("mnist:test", 1.0)),
        ("mnist:test:3", ("mnist:test", 3.0)),
        ("7", ("7", 1.0)),
    ],
)
def test_a_weight_is_what_follows_the_last_colon(value, expected):
    assert _Weighted().convert(value, None, None) == expected


def idx_cut_short(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 9, 28, 28) + bytes(99))
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 9) + bytes(9))
    return folder


def npz_without_labels(folder):
    np.savez(folder / "set.npz", images=np.zeros((4, 28, 28), np.uint8))
    return folder / "set.npz"


def csv_with_text(folder):
    (folder / "set.csv").write_text("label,pixel0\n1,0\n2,ink\n")
    return folder / "set.csv"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root, folder: root / "nowhere", "there is no data"),
        (lambda root, folder: root, "has no subfolders 0 to 9"),
        (lambda root, folder: folder(3, digits=(4,)), "has images of 4 only"),
        (lambda root, folder: [folder(1, digits=(4,)), folder(2, digits=(5,))][0], "a single image of 4"),
        (lambda root, folder: idx_cut_short(root), "cut short: 7072 bytes expected for (9, 28, 28), 115 found"),
        (lambda root, folder: npz_without_labels(root), "has no 'labels', only images"),
        (lambda root, folder: csv_with_text(root), "row 3, column 'pixel0': found 'ink'"),
    ],
)
def test_bad_data_is_one_line_exit_code_2_and_nothing_written(tmp_path, digit_folder, edgits, make, message):
    (tmp_path / "root").mkdir()
    source = make(tmp_path / "root", digit_folder)
    code, out, err = edgits("train", source, *CLASSIC, "--out", tmp_path / "new" / "run")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("edgits: ")
    assert message in err
    assert out == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "magic"), "'magic' is not one of"),
        (("--epochs", 0), "0 is not in the range"),
        (("--batch-size", "many"), "'many' is not a valid integer"),
        (("--seed", -1), "-1 is not in the range"),
        (("--data", "digits:0"), "the weight must be above 0, found 0"),
        (("--data", "digits:nan"), "the weight must be above 0, found nan"),
        (("--data", "nowhere"), "there is no data 'nowhere'"),
        (("--test", "nowhere"), "there is no data 'nowhere'"),
        (("--patience", 0), "0 is not in the range"),
        (("--teacher", "nowhere"), "there is no trained model 'nowhere'"),
        (("--from", "nowhere"), "there is no trained model 'nowhere'"),
        (("--from", "nowhere", "--recipe", "small"), "--recipe and --from exclude each other"),
        (("--from", "nowhere", "--teacher", "small"), "--teacher and --from exclude each other"),
        (("--strategy", "cloud"), "'cloud' is not one of"),
        (("--strategy", "multiworker"), "needs TF_CONFIG"),
    ],
)
def test_a_bad_option_stops_before_anything_is_written(tmp_path, digit_folder, edgits, arguments, message):
    code, _, err = edgits("train", digit_folder(2, digits=(1, 2)), "--out", tmp_path / "run", *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_data_may_be_given_by_either_way_but_must_be_given(edgits):
    code, _, err = edgits("train", "--recipe", "classic")
    assert code == 2
    assert "there is nothing to train on; give DATA, as an argument or by --data" in err
    code, _, err = edgits("train", "--resume", "--data", "mnist5k")
    assert code == 2
    assert "--resume needs the run folder" in err


def test_after_ctrl_c_it_says_how_to_go_on_and_goes_on(tmp_path, digit_folder, edgits, monkeypatch):
    def interrupt(self, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    command = ("train", digit_folder(6, digits=(1, 7)), *CLASSIC, "--out", tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr("edgits.train.progress.Display._epoch", interrupt)
        code, _, err = edgits(*command)
    assert code == 130
    assert f"go on with   edgits {' '.join(map(str, command))} --resume" in err
    assert err.rstrip().endswith("stopped")
    code, _, err = edgits(*command)
    assert code == 2
    assert "holds an unfinished training; go on with it by --resume, or delete the folder" in err
    code, out, err = edgits(*command, "--resume")
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 1, "the first epoch was kept"
    assert not (tmp_path / "run" / "checkpoint").exists()
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["waited"]) <= float(row["seconds"]) for row in rows)


def test_a_run_is_not_overwritten(tmp_path, edgits):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    code, _, err = edgits("train", "nowhere", "--out", tmp_path / "run")
    assert code == 2
    assert "already holds a run; choose another folder with --out, or delete it" in err


def test_a_place_that_cannot_be_written_is_found_before_training(tmp_path, digit_folder, edgits):
    (tmp_path / "file").touch()
    code, out, err = edgits("train", digit_folder(2, digits=(1, 2)), "--out", tmp_path / "file" / "run")
    assert code == 2
    assert "can't write" in err
    assert err.count("\n") == 1
    assert "epoch" not in out


def test_an_interrupted_training_leaves_no_empty_folder(tmp_path, digit_folder, edgits, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("edgits.train.fit.fit_run", interrupt)
    code, _, err = edgits("train", digit_folder(2, digits=(1, 2)), *CLASSIC, "--out", tmp_path / "run")
    assert (code, err.strip()) == (130, "stopped")
    assert not os.path.lexists(tmp_path / "run")


def missing(module, *, extra):
    raise MissingExtraError(f"'{module}' isn't installed: pip install 'edgits[{extra}]'")


def test_a_missing_extra_is_named(tmp_path, digit_folder, edgits, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "keras" else real(name, *rest))
    monkeypatch.setattr("edgits.train.cli.require", missing)
    code, _, err = edgits("train", digit_folder(2, digits=(1, 2)), "--out", tmp_path / "run")
    assert code == 2
    assert "edgits[train]" in err
