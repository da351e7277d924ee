"""That `make test-pi` can fail, and that what it compares with belongs to the shipped models; emulates nothing."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgits.edge.recognizer import shipped_models
from edgits.edge.runtimes import installed

FOLDER = Path(__file__).parent
PARTS = ("boards", "checks", "host", "onboard", "record", "userland")


@pytest.fixture(scope="module")
def pi():
    """The parts, which are scripts and no package, by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in PARTS})
        for name in PARTS:
            del sys.modules[name]


@pytest.fixture
def recorded(pi, monkeypatch, tmp_path):
    """Three tasks recorded as 1000 instructions each."""
    path = tmp_path / "instructions.json"
    path.write_text(json.dumps({"bookworm-arm64 pi4": dict.fromkeys(("a", "b", "frame"), 1000)}))
    monkeypatch.setattr(pi.record, "_INSTRUCTIONS", path)
    return path


def board(pi, **counts):
    """A Pi that spends so many instructions."""
    found = {number: [count - 1, count + 1] for number, count in enumerate(counts.values())}
    return SimpleNamespace(
        system=SimpleNamespace(name="bookworm-arm64"),
        count=lambda program, board, plugin: (json.dumps(list(counts)), found),
    )


def test_a_rise_of_four_percent_fails(pi, recorded):
    instructions = pi.record.Instructions(record=False)
    assert (
        instructions.check(board(pi, a=1020, b=980, frame=500), "pi4", Path()) == "3 counts, changed by at most -50.00%"
    )
    with pytest.raises(AssertionError, match=r"b 1,000 → 1,040, a rise of more than 3%; .*RECORD=1"):
        instructions.check(board(pi, a=1020, b=1040, frame=500), "pi4", Path())


def test_a_task_that_was_not_recorded_fails(pi, recorded):
    with pytest.raises(AssertionError, match="counted a, recorded a, b, frame"):
        pi.record.Instructions(record=False).check(board(pi, a=1000), "pi4", Path())
    with pytest.raises(AssertionError, match="counted a, recorded ;"):
        pi.record.Instructions(record=False).check(board(pi, a=1000), "pi5", Path())


def test_what_is_recorded_is_compared_with(pi, recorded):
    assert pi.record.Instructions(record=True).check(board(pi, a=2000), "pi4", Path()) == "recorded"
    assert pi.record.Instructions(record=False).check(board(pi, a=2000), "pi4", Path()).endswith("+0.00%")


def test_instructions_are_recorded_of_every_shipped_model_and_board(pi):
    found = json.loads((FOLDER / "recorded" / "instructions.json").read_text())
    assert set(found) == {
        f"{system} {name}" for system in ("bookworm-arm64", "trixie-arm64") for name in pi.boards.BOARDS
    }
    models = {path.stem for path in shipped_models().values() if path.suffix == ".tflite"}
    for counts in found.values():
        frames = {f"{how} {size}" for how in ("frame", "followed") for size in ("640x480", "320x240")}
        assert set(counts) == models | frames


@pytest.mark.skipif(not installed("litert"), reason="the logits are LiteRT's")
def test_the_recorded_logits_are_the_shipped_models(pi):
    assert "bit by bit" in pi.record.Logits(record=False).check_pc()


def test_a_logit_that_is_off_by_one_fails(pi, monkeypatch):
    logits = pi.record.Logits(record=False)
    found = {name: scores.copy() for name, scores in logits._recorded.items()}
    next(iter(found.values()))[7, 3] += 1
    monkeypatch.setattr(pi.onboard, "all_logits", lambda: found)
    with pytest.raises(AssertionError, match=r"off by up to 1 in 0\.1%"):
        logits.check_pc()


def test_pins_are_the_locks_versions(pi):
    lines = pi.host.pins().splitlines()
    assert any(line.startswith("numpy==") for line in lines)
    assert all("==" in line and "sha256" not in line and "\\" not in line for line in lines)


def rows(model="m", accuracy=1.0):
    return {"rows": [{"model": model, "accuracy": accuracy, "n": 20}]}


@pytest.mark.parametrize(
    ("check", "found", "wanted"),
    [
        ("predict", {"text": "1 2"}, {"text": "1 3"}),
        ("benchmark", rows(accuracy=0.9), rows()),
        ("benchmark", rows(model="other"), rows()),
        ("doctor", {"can_run": False, "findings": []}, {}),
    ],
)
def test_an_answer_that_differs_fails(pi, check, found, wanted):
    with pytest.raises(AssertionError):
        getattr(pi.checks, check)(json.dumps(found), json.dumps(wanted))


def test_the_benchmark_may_differ_by_an_image(pi):
    assert pi.checks.benchmark(json.dumps(rows(accuracy=0.95)), json.dumps(rows())) == "m 95.0% of 20"


def test_one_frame_in_seven_may_differ(pi):
    wanted = "\n".join(json.dumps({"text": str(number)}) for number in range(20))
    assert pi.checks.live(wanted.replace('"1"', '"x"'), wanted) == "19 of 20 frames read as on the PC"
    with pytest.raises(AssertionError, match="only 9 of 20"):
        pi.checks.live(wanted.replace('"1', '"x'), wanted)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_board_tells_its_cores_and_features(pi, tmp_path, bits):
    pi.boards.write_board(tmp_path, pi.boards.BOARDS["pi5"], bits=bits)
    text = (tmp_path / "cpuinfo").read_text()
    assert text.count("processor") == 4
    assert ("asimddp" in text) == (bits == 64)
    assert (tmp_path / "cpu" / "present").read_text() == "0-3\n"
    assert (tmp_path / "cpu" / "cpu3" / "topology" / "core_id").read_text() == "3\n"


def test_input_is_handwriting_made_without_opencv(pi):
    images = pi.onboard.inputs(28)
    assert images.shape == (pi.onboard.IMAGES, 28, 28, 1)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert 0.5 < images.max() <= 1
    assert (images.sum(axis=(1, 2, 3)) > 5).all()


def test_a_machine_that_cannot_emulate_says_what_it_lacks(pi, monkeypatch):
    def why():
        with pytest.raises(pi.host.CannotEmulateError) as caught:
            pi.host.prepare()
        return str(caught.value)

    monkeypatch.setattr(pi.host.platform, "system", lambda: "Linux")
    monkeypatch.setattr(pi.host.platform, "machine", lambda: "aarch64")
    assert why() == "needs Linux on x86_64, found Linux on aarch64"
    monkeypatch.setattr(pi.host.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(pi.host, "_TOOLS", {"/nowhere/qemu": "qemu-user"})
    monkeypatch.setattr(pi.host.os, "geteuid", lambda: 1000)
    assert why().endswith("run it as root; it installs qemu-user")
    monkeypatch.setattr(pi.host.os, "geteuid", lambda: 0)
    monkeypatch.setattr(pi.host.shutil, "which", lambda name: None)
    assert why() == "needs qemu-user, which Debian's apt-get would install; there is none"
