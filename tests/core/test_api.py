"""`import edgits`: light, and all that one's own program needs to read a camera."""

import subprocess
import sys

import pytest

import edgits
from edgits.errors import CameraError


def test_five_lines_read_a_camera():
    texts = []
    for result in edgits.live("scene", model="nano", max_frames=5):
        texts.append(result.text)
        assert result.digits
        assert all(0 <= digit.digit <= 9 and 0 < digit.confidence <= 1 for digit in result.digits)
    assert len(texts) == 5


def test_leaving_the_loop_lets_the_camera_go():
    for result in edgits.live("scene", model="nano"):
        if result.frame == 2:
            break
    assert result.frame == 2


def test_a_camera_that_is_not_there_is_an_error_to_catch():
    with pytest.raises(CameraError, match="there is no camera"):
        next(iter(edgits.live("nowhere.mp4", model="nano")))


def test_importing_loads_nothing_heavy():
    code = """
import sys, edgits
assert edgits.__version__
assert not {"cv2", "numpy", "click", "edgits.edge"} & set(sys.modules), sorted(sys.modules)
assert callable(edgits.live)
assert "cv2" in sys.modules
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_other_names_are_missing_as_usual():
    with pytest.raises(AttributeError, match="has no attribute 'dead'"):
        _ = edgits.dead
    assert not hasattr(edgits, "edge_of_the_world")
