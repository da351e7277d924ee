import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgits import files
from edgits.errors import OutputError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=2000))
def test_what_is_written_is_read_again(tmp_path, data):
    files.write_bytes(tmp_path / "deep/er/file.bin", data)
    assert (tmp_path / "deep/er/file.bin").read_bytes() == data
    assert names(tmp_path / "deep/er") == ["file.bin"]


def test_json_ends_with_a_newline_and_is_readable(tmp_path):
    files.write_json(tmp_path / "a.json", {"ü": [1, None]})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {"ü": [1, None]}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")

    def fail():
        with files.whole_file(path) as temporary:
            temporary.write_bytes(b"half of the new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model.tflite"]


def test_the_temporary_name_has_the_suffix_and_the_folder_of_the_file(tmp_path):
    with files.whole_file(tmp_path / "live.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        assert temporary.parent == tmp_path
        assert temporary.name != "live.mp4"
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["live.mp4"]


def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path):
    code = """
import sys, time
from pathlib import Path
from edgits.files import whole_file
with whole_file(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(30)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file.bin")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline() == b"writing\n"
    assert len(names(tmp_path)) == 1
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode != 0
    assert time.monotonic() - began < 20
    assert names(tmp_path) == []


def test_the_file_has_the_mode_that_the_user_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("place", ["taken/file.bin", "taken/deep/file.bin"])
def test_a_file_in_the_place_of_a_folder_is_one_clear_error(tmp_path, place):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OutputError, match=r"^can't write '.*'; choose another|^can't write '.*: .*; choose another"):
        files.write_bytes(tmp_path / place, b"x")
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_in_the_place_of_the_file_is_one_clear_error(tmp_path):
    (tmp_path / "taken/inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="can't write"):
        files.write_bytes(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


def test_sha256_is_the_published_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
