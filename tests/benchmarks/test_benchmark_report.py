import csv
import io
import json

import cv2
import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgits.benchmarks import report
from edgits.benchmarks.plots import pareto_front
from edgits.benchmarks.table import print_benchmark


@pytest.fixture(scope="module")
def folder(outcome, tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    report.write(place, outcome)
    return place


def test_every_file_is_there_and_whole(folder):
    names = {"benchmark.json", "benchmark.csv", "benchmark.md", "Performance.xlsx"}
    pictures = {"pareto.png", "latency.png", "confusion.png", "robustness.png", "sustain.png"}
    assert {path.name for path in folder.iterdir()} == names | pictures
    for name in pictures:
        picture = cv2.imread(str(folder / name))
        assert min(picture.shape[:2]) > 250
        assert picture.std() > 10


def test_json_tells_all(folder, outcome):
    value = json.loads((folder / "benchmark.json").read_text())
    assert [row["model"] for row in value["rows"]] == [row.model for row in outcome.rows]
    assert value["rows"][2]["verdict"] == "worse"
    assert len(value["rows"][2]["wrong"]) == 1000 - value["rows"][2]["correct"]
    assert value["explanations"][0]["operations"][0]["us"] == 2300
    assert value["robustness"]["errors"][2]["extra_loss_pp"] > 1
    assert value["sustained"]["last_fifth_to_first"]["small-int8.tflite on litert"] > 1.3
    assert value["machine"]["during"]["temperature_c"] == [51.0, 80.5]


def test_csv_has_a_line_a_row(folder, outcome):
    rows = list(csv.DictReader(io.StringIO((folder / "benchmark.csv").read_text())))
    assert [row["model"] for row in rows] == [row.model for row in outcome.rows]
    assert float(rows[1]["p50_us"]) == pytest.approx(outcome.rows[1].latency.p50_us, abs=1e-3)
    assert rows[0]["drop_pp"] == ""
    assert len(rows[1]["rounds_us"].split()) == 10


def test_markdown_is_a_table_whose_lines_have_as_many_cells(folder):
    text = (folder / "benchmark.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {12}
    assert "**+1." in text
    assert "none of its 1 operations run in XNNPACK" in text
    assert "the board reports throttled now" in text
    assert "![pareto](pareto.png)" in text


def test_workbook_has_its_sheets_and_no_label_is_a_formula(folder):
    book = openpyxl.load_workbook(folder / "Performance.xlsx")
    sheets = ["Summary", "Per class", "Latency", "Why", "Operations", "Robustness", "Machine"]
    assert book.sheetnames == sheets
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert sum(cell.value == "=model.keras" for cell in cells) >= 2
    summary = list(book["Summary"].iter_rows(values_only=True))
    assert summary[0][:4] == ("Model", "Runtime", "Threads", "Bytes")
    assert [row[3] for row in summary[1:5]] == [800_000, 240_000, 75_000, 80_000]
    per_class = list(book["Per class"].iter_rows(values_only=True))
    assert [row[0] for row in per_class[1:]] == [*range(10), "all"]
    assert len(list(book["Robustness"].iter_rows(values_only=True))) == 1 + 1 + 75 + 1
    assert all(book[name]._images for name in ("Summary", "Per class", "Latency", "Robustness"))
    book.close()


def test_terminal_shows_it_in_100_columns(outcome):
    console = Console(width=100, file=io.StringIO(), highlight=False)
    print_benchmark(console, outcome)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    text = " ".join(text.split())
    for part in (
        *("small-int16x8.tflite on litert takes", "XNNPACK 0 of 8", "16-bit activations", "≈", "XNNPACK 8 of 8"),
        *("zigzag, 3", "last fifth against the first", "51→80.5→63.5 °C", "left out: model.onnx", "throttled now"),
        *("small-int8.tflite has no card", "energy by board, ina219", "1,000 images"),
    ):
        assert part in text, part


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 1000)), min_size=1, max_size=12))
def test_of_the_front_none_is_beaten_and_the_rest_is(row, figures):
    rows = [row(p50=float(p50), correct=correct) for p50, correct in figures]
    front = pareto_front(rows)
    for place, (p50, correct) in enumerate(figures):
        beaten = any((a < p50 and b >= correct) or (a <= p50 and b > correct) for a, b in figures)
        if place in front:
            assert not beaten
        else:
            assert beaten or (p50, correct) in [figures[other] for other in front]


def test_what_can_not_be_written_is_said_before_the_work(edgits, run_folder, tmp_path):
    (tmp_path / "taken").write_text("mine")
    lite = run_folder / "export" / "ridge-float32.tflite"
    code, out, err = edgits("benchmark", lite, "--out", tmp_path / "taken")
    assert (code, out) == (2, "")
    assert "can't write" in err
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_benchmark_with_everything_is_written(edgits, run_folder, tmp_path, digits):
    few = tmp_path / "few.npz"
    np.savez(few, images=digits.images[:60], labels=digits.labels[:60])
    extra = ("--runtime", "litert", "--robustness", "--sustain", "1s", "--out", tmp_path / "out", "--json")
    lite, int8 = (run_folder / "export" / f"ridge-{name}.tflite" for name in ("float32", "int8"))
    code, out, err = edgits("benchmark", lite, int8, "--data", few, "--repeat", "20", *extra)
    assert code == 0, err
    value = json.loads(out)
    assert value == json.loads((tmp_path / "out/benchmark.json").read_text())
    assert value["robustness"]["n"] == 60
    assert set(value["sustained"]["last_fifth_to_first"]) == {
        "ridge-float32.tflite on litert",
        "ridge-int8.tflite on litert",
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"robustness.png", "sustain.png", "Performance.xlsx"}
