"""Model files that were made to harm. What crashes or hangs a runtime must do so in a child."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.card import card_path
from edgits.edge import apart
from edgits.edge.recognizer import Recognizer, shipped_models
from edgits.errors import CheckError, EdgitsError, ModelError

SHIPPED = shipped_models()


@pytest.fixture(params=["nano", "nano-int8.onnx"])
def stranger(tmp_path, request):
    """A model file without its card."""
    path = SHIPPED[request.param]
    if path.suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    return Path(shutil.copy(path, tmp_path / f"stranger{path.suffix}"))


def test_a_file_without_a_card_is_refused_before_a_runtime_sees_it(stranger, monkeypatch):
    monkeypatch.setattr("edgits.edge.recognizer.open_model", lambda *_, **__: pytest.fail("it was loaded"))
    monkeypatch.setattr("edgits.edge.recognizer.prove", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ModelError, match=r"no card vouches for .*copy its card, too, or .*--trust"):
        Recognizer.load(stranger)


def test_a_trusted_file_is_read_with(stranger):
    recognizer = Recognizer.load(stranger, trust=True)
    assert len(recognizer.read([np.zeros((28, 28), np.uint8)])) == 1


@pytest.mark.parametrize("vouched", [True, False])
def test_a_file_that_is_cut_anywhere_is_refused_before_a_runtime_sees_it(
    stranger, tried, step, vouched, monkeypatch, request
):
    """Every 64th length, with `make fuzz FACTOR=64` every single one."""
    monkeypatch.setattr("edgits.edge.recognizer.open_model", lambda *_, **__: pytest.fail("it was loaded"))
    monkeypatch.setattr("edgits.edge.recognizer.prove", lambda *_, **__: pytest.fail("it was run"))
    if vouched:
        shutil.copy(card_path(SHIPPED[request.node.callspec.params["stranger"]]), card_path(stranger))
    for length in range(stranger.stat().st_size - 1, -1, -step(64)):
        os.truncate(stranger, length)
        with pytest.raises(ModelError) as error:
            Recognizer.load(stranger)
        assert "\n" not in str(error.value)
        tried(f"model files cut short, not trusted, {stranger.suffix}")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_trusted_file_that_is_cut_is_one_error(stranger, tried, share):
    data = stranger.read_bytes()
    stranger.write_bytes(data[: int(share * len(data))])
    with pytest.raises(EdgitsError) as error:
        Recognizer.load(stranger, trust=True)
    assert "\n" not in str(error.value)
    tried(f"model files cut short, {stranger.suffix}")


def test_a_trusted_file_with_bits_flipped_is_loaded_or_refused(stranger, tried, cases):
    good = stranger.read_bytes()

    @cases(4)
    @given(st.lists(st.integers(0, 8 * len(good) - 1), min_size=1, max_size=30))
    def run(bits):
        data = bytearray(good)
        for bit in bits:
            data[bit // 8] ^= 1 << bit % 8
        stranger.write_bytes(data)
        try:
            apart.prove(stranger)
        except EdgitsError as error:
            assert "\n" not in str(error)  # noqa: PT017 - both ends are right
        tried(f"model files with bits flipped, {stranger.suffix}")

    run()


def test_a_crash_of_the_runtime_is_an_error(stranger, monkeypatch):
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    monkeypatch.setattr(apart, "ask", lambda _, *rest, **more: ASK([sys.executable, "-c", crash], *rest, **more))
    with pytest.raises(ModelError, match="can't be used: the runtime crashes on it: SIGSEGV; give another model"):
        apart.prove(stranger)


def test_a_hanging_runtime_is_an_error(stranger, monkeypatch):
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(apart, "ask", lambda _, *rest, **more: ASK(wait, *rest, **more))
    began = time.monotonic()
    with pytest.raises(ModelError, match="hangs: no answer to 0 images within 1 s"):
        apart.prove(stranger, limit=1)
    assert time.monotonic() - began < 60


def test_a_file_that_asks_for_too_much_memory_ends_its_child_only(stranger, monkeypatch):
    greed = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (2**28, 2**28)); bytearray(2**30)"
    with pytest.raises(CheckError, match="stopped with exit code 1: MemoryError"):
        apart.ask([sys.executable, "-c", greed], "litert", [])


ASK = apart.ask
