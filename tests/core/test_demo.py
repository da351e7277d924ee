import json
from dataclasses import replace

import cv2
import openpyxl
import pytest

from edgits import demo
from edgits.train import data
from edgits.train.recipes import RECIPES

FRAMES = 30


@pytest.fixture
def small_demo(monkeypatch, mnist5k):
    """The real chain, with fewer images, epochs and frames."""
    monkeypatch.setitem(RECIPES, "demo", replace(RECIPES["demo"], epochs=4, batch_size=32))
    monkeypatch.setattr(demo, "_FRAMES", FRAMES)
    real = data.load_dataset
    few = mnist5k.take(slice(None, None, 4))
    monkeypatch.setattr(data, "load_dataset", lambda source: few if source == "mnist5k" else real(source))


def test_the_whole_chain_makes_what_it_says(edgits, small_demo, tmp_path):
    out = tmp_path / "demo"
    code, text, err = edgits("demo", "--out", out)
    assert code == 0, err
    for command in ("train mnist5k --recipe demo", "export", "benchmark", "live --source scene"):
        assert f"edgits {command}" in text
    assert str(out / "live.mp4") in text.rsplit("the demo is done", 1)[1].replace("\n", "")
    formats = ("float32.tflite", "float16.tflite", "dynamic.tflite", "int8.tflite", "float32.onnx", "int8.onnx")
    for name in formats:
        assert (out / f"run/export/small-{name}").stat().st_size > 1000
        assert (out / f"run/export/small-{name}.card.json").is_file()
        assert f"small-{name}" in text
    openpyxl.load_workbook(out / "run/Performance.xlsx").close()
    lines = [json.loads(line) for line in (out / "live.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    video = cv2.VideoCapture(str(out / "live.mp4"))
    assert video.read()[0]
    video.release()
    assert cv2.imread(str(out / "live.png")) is not None


def test_the_recipe_and_the_model_of_the_commands_belong_together():
    assert RECIPES["demo"].model == "small"


def test_a_repeated_demo_replaces_only_what_is_its_own(tmp_path):
    commands = demo._commands(tmp_path / "demo")
    demo._prepare(tmp_path / "demo", commands)
    (tmp_path / "demo/run/export").mkdir(parents=True)
    for name in ("run/export/old.tflite", "run/run.json", "live.mp4", "notes.txt"):
        (tmp_path / "demo" / name).write_text("old")
    demo._prepare(tmp_path / "demo", commands)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["demo.json", "notes.txt"]


def test_a_folder_of_somebody_else_is_left_alone(edgits, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("mine")
    code, out, err = edgits("demo", "--out", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no demo has made" in err
    assert (tmp_path / "run/run.json").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_one_line(edgits, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, out, err = edgits("demo", "--out", tmp_path / "taken")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "can't write" in err
