"""Names and labels that were made to harm: bytes that are no text, control codes, formulas."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.frame import Frame
from edgits.edge.lines import CsvLines, JsonLines
from edgits.edge.recognizer import shipped_models
from edgits.edge.results import FrameResult
from edgits.edge.sinks import Shot
from edgits.sheets import write

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
FORMULAS = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "=1\n=2"]


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "edgits", *arguments],
        cwd=folder,
        capture_output=True,
        timeout=240,
        env=os.environ | {"PYTHONUTF8": "1"},
    )


@pytest.fixture
def shot():
    """Makes a shot of a source of any name."""

    def make(source):
        frame = Frame(np.zeros((9, 9, 3), np.uint8), 0, 0.0, source)
        return Shot(frame, FrameResult(source, 9, 9, (), (), {}, 0))

    return make


@pytest.fixture
def odd(tmp_path):
    """An image whose name is no text."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 100), 255, np.uint8))
    name = b"bad\xff\x1b[31m\n.png"
    shutil.move(tmp_path / "a.png", os.fsdecode(bytes(tmp_path) + b"/" + name))
    return name


def test_an_image_of_any_name_is_read_and_its_name_comes_back(tmp_path, odd):
    done = run(b"predict", odd, b"--model", b"nano", b"--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.fsencode(json.loads(done.stdout)["source"]) == odd
    assert done.stdout.count(b"\n") == 1


def test_a_name_can_write_no_line_of_its_own_into_an_error(tmp_path):
    name = b"bad\xff\x1b[31m\nedgits: all is well.png"
    (tmp_path / "x").write_bytes(b"no image")
    shutil.move(tmp_path / "x", os.fsdecode(bytes(tmp_path) + b"/" + name))
    done = run(b"predict", name, b"--model", b"nano", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    assert done.stdout == b""


def test_a_model_of_any_name_is_an_error_in_one_line(edgits, tmp_path, capfd):
    name = os.fsdecode(b"m\xff\n.tflite")
    shutil.copy(shipped_models()["nano"], tmp_path / name)
    code, out, err = edgits("predict", "x.png", "--model", tmp_path / name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no card vouches" in err


def test_lines_take_any_name(tmp_path, tried, cases, shot):
    @cases(40)
    @given(NAMES)
    def run_one(name):
        source = os.fsdecode(name)
        for kind, sink in (("jsonl", JsonLines), ("csv", CsvLines)):
            path = tmp_path / f"out.{kind}"
            lines = sink(path)
            lines.put(shot(source=source))
            lines.close()
            text = path.read_text()
            assert text.count("\n") == (1 if kind == "jsonl" else 2)
            if kind == "jsonl":
                assert os.fsencode(json.loads(text)["source"]) == name
            tried("file names of any bytes")

    run_one()


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_csv_begins_a_formula(tmp_path, formula, shot):
    path = tmp_path / "out.csv"
    lines = CsvLines(path)
    lines.put(shot(source=formula))
    lines.close()
    _, row = csv.reader(io.StringIO(path.read_text()))
    assert not row[1].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("formula", [*FORMULAS, os.fsdecode(b"\xff=1"), "\x00=1"])
def test_no_cell_of_a_workbook_is_a_formula(tmp_path, formula):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    write(book.active.cell(1, 1), formula)
    book.save(tmp_path / "a.xlsx")
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").active.cell(1, 1).data_type in ("s", "n")


def test_the_folder_of_a_digit_takes_names_of_any_bytes(tmp_path):
    from edgits.train.data import load_dataset

    for digit in (b"0", b"1"):
        place = Path(os.fsdecode(bytes(tmp_path) + b"/set/" + digit))
        place.mkdir(parents=True)
        for name in (b"\xff.png", b"a\nb.png"):
            cv2.imwrite(str(tmp_path / "a.png"), np.full((10, 10), 255, np.uint8))
            shutil.copy(tmp_path / "a.png", os.fsdecode(bytes(place) + b"/" + name))
    (Path(os.fsdecode(bytes(tmp_path) + b"/set/0/bad\xfe.png"))).write_bytes(b"x")
    found = load_dataset(str(tmp_path / "set"))
    assert len(found) == 4
    assert len(found.provenance["unreadable"]) == 1
    json.dumps(found.provenance).encode()
