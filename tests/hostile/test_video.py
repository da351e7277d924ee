"""Videos that were made to harm: cut, with bytes exchanged, or no video at all."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.camera import open_camera
from edgits.errors import CameraError
from edgits.quiet import quiet


@pytest.fixture(params=["mp4", "avi"])
def film(tmp_path, request):
    path = tmp_path / f"film.{request.param}"
    code = cv2.VideoWriter.fourcc(*("mp4v" if request.param == "mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), code, 20, (64, 48))
    rng = np.random.default_rng(1)
    for _ in range(6):
        writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    return path


def frames(path):
    """Reads a film to its end; at most so many frames as could be in it."""
    count = 0
    try:
        with quiet(), open_camera(str(path)) as camera:
            while count < 100 and (frame := camera.read(timeout=1)) is not None:
                assert frame.image.ndim == 3
                count += 1
    except CameraError:
        return -1
    return count


def test_a_good_one_is_read(film):
    assert frames(film) == 6


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_cut_one_gives_frames_or_a_camera_error(film, tried, share):
    data = film.read_bytes()
    film.write_bytes(data[: int(share * len(data))])
    assert frames(film) <= 6
    tried(f"videos cut short, {film.suffix}")


def test_one_with_bytes_exchanged_gives_frames_or_a_camera_error(film, tried, cases):
    good = film.read_bytes()

    @cases(15)
    @given(st.dictionaries(st.integers(0, len(good) - 1), st.integers(0, 255), min_size=1, max_size=8))
    def run(changes):
        data = bytearray(good)
        for place, value in changes.items():
            data[place] = value
        film.write_bytes(data)
        assert frames(film) <= 100
        tried(f"videos with bytes exchanged, {film.suffix}")

    run()
