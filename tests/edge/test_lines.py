"""A line a frame: whole, at once, and harmless in a spreadsheet."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.lines import COLUMNS, CsvLines, JsonLines, _row
from edgits.edge.results import Digit, FrameResult, Turn
from edgits.edge.view import upright
from edgits.errors import OutputError


def test_json_lines_are_the_contract_and_there_at_once(tmp_path, shot):
    path = tmp_path / "new" / "out.jsonl"
    sink = JsonLines(path)
    assert not path.exists()
    assert sink.put(shot(5))
    assert json.loads(path.read_text()) == {
        "source": "test",
        "frame": 5,
        "width": 320,
        "height": 240,
        "digits": [
            {"digit": 7, "confidence": 0.98, "box": [10, 20, 30, 40], "track": 3, "stable": True},
            {"digit": 0, "confidence": 0.5, "box": [50, 20, 30, 40], "track": 4, "stable": False},
        ],
        "text": "70",
        "numbers": [["70"]],
        "latency_ms": 4.0,
    }
    sink.put(shot(7, age_ms=12.34))
    sink.close()
    assert json.loads(path.read_text().splitlines()[1])["age_ms"] == 12.3


@pytest.mark.parametrize("kind", [JsonLines, CsvLines])
def test_a_lost_camera_is_one_line_without_digits_until_something_changes(tmp_path, shot, kind):
    path = tmp_path / "out"
    sink = kind(path)
    for index, lost in enumerate([None, "unplugged", "unplugged", "no such device", None, "unplugged"]):
        sink.put(shot(index, lost=lost, age_ms=None if lost else 9.0))
    sink.close()
    text = path.read_text()
    rows = list(csv.DictReader(text.splitlines())) if kind is CsvLines else [*map(json.loads, text.splitlines())]
    assert [row.get("lost") or None for row in rows] == [None, "unplugged", "no such device", None, "unplugged"]
    assert [row["text"] for row in rows] == ["70", "", "", "70", ""]
    assert [row["digits"] in ([], "0") for row in rows] == [False, True, True, False, True]


@pytest.mark.parametrize("kind", [JsonLines, CsvLines])
def test_a_dash_is_the_standard_output(capsys, shot, kind):
    sink = kind(Path("-"))
    sink.put(shot())
    sink.close()
    sys.stdout.write("still open")  # a sink mustn't close what isn't its own
    assert "70" in capsys.readouterr().out


def test_the_csv_has_a_row_a_frame_with_these_columns(tmp_path, shot):
    path = tmp_path / "out.csv"
    sink = CsvLines(path)
    sink.put(shot(4))
    sink.put(shot(6, age_ms=20.0))
    sink.close()
    first, second = csv.DictReader(path.read_text().splitlines())
    assert tuple(first) == COLUMNS
    assert first == {
        "time": "0.200",
        "source": "test",
        "frame": "4",
        "text": "70",
        "digits": "2",
        "confidence": "0.5000",
        "stable": "0",
        "latency_ms": "4.00",
        "age_ms": "",
        "lost": "",
    }
    assert second["time"][10] == "T"  # a live camera's frames have a date
    assert second["age_ms"] == "20.0"


@given(st.text())
def test_no_cell_is_a_formula_and_no_row_has_two_lines(text):
    line = _row((text, "70|12", 3, None))
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    (cells,) = csv.reader([line])
    assert cells[0][:1] not in set("=+-@\t")
    assert cells[1:] == ["70|12", "3", ""]


def test_a_source_that_looks_like_a_formula_is_text(tmp_path, shot):
    sink = CsvLines(tmp_path / "out.csv")
    sink.put(shot(source='=HYPERLINK("x")'))
    sink.close()
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert row["source"] == '\'=HYPERLINK("x")'


FULL = """
import resource, signal, sys
from pathlib import Path
from edgits.edge.frame import Frame
from edgits.edge.lines import CsvLines, JsonLines
from edgits.edge.results import FrameResult
from edgits.edge.sinks import Shot
from edgits.errors import OutputError
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sink = {kind}(Path(sys.argv[1]))
shot = Shot(Frame(np.zeros((9, 9, 3), np.uint8), 0, 0.0, "x" * 100), FrameResult("x" * 100, 9, 9, (), ()))
try:
    for _ in range(50):
        sink.put(shot)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["JsonLines", "CsvLines"])
def test_on_a_full_disk_only_whole_lines_are_kept(tmp_path, kind):
    path = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, "-c", FULL.format(kind=kind), str(path)], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.startswith(f"can't write to '{path}': File too large"), run.stderr
    data = path.read_text()
    assert 500 < len(data) <= 1000
    assert data.endswith("\n")
    assert len({line.count("x") for line in data.splitlines()[1:]}) == 1


def test_a_place_that_goes_away_is_said(tmp_path, shot):
    sink = JsonLines(tmp_path / "new" / "out.jsonl")
    (tmp_path / "new").rmdir()
    with pytest.raises(OutputError, match="No such file"):
        sink.put(shot())


@given(
    st.sampled_from([0, 90, 180, 270]),
    st.booleans(),
    st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)),
)
def test_boxes_are_said_in_pixels_of_the_source(rotate, mirror, box):
    """A box drawn into the upright picture, brought back, marks the same pixels of the source."""
    turn = Turn(rotate, mirror)
    source = np.zeros((50, 70, 3), np.uint8)
    picture = upright(source, turn)
    height, width = picture.shape[:2]
    x, y, w, h = box[0], box[1], min(box[2], width - box[0]), min(box[3], height - box[1])
    result = FrameResult("x", width, height, (Digit(1, 0.9, (x, y, w, h)),), (1,), turn=turn)
    value = result.to_json()
    assert (value["width"], value["height"]) == (70, 50)
    left, top, wide, high = value["digits"][0]["box"]
    source[top : top + high, left : left + wide] = 255
    seen = upright(source, turn)
    assert (seen[y : y + h, x : x + w] == 255).all()
    assert int((seen == 255).sum()) == 3 * w * h
