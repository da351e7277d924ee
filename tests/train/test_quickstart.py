from pathlib import Path

import cv2
import nbformat
import openpyxl
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "train" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in cells) == 1


# jupyter_client says so of every local kernel
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_it_runs_from_folder_to_exported_models(notebook, digit_folder, tmp_path, monkeypatch):
    folder = digit_folder(20)
    (folder / "cats").mkdir()
    cv2.imwrite(str(folder / "cats" / "tom.png"), cv2.imread(str(folder / "0" / "000.png")))
    place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    values = {"DATA": str(folder), "RUNS": str(tmp_path / "runs"), "EPOCHS": 1, "INSTALL": ""}
    cell = nbformat.v4.new_code_cell("\n".join(f"{name} = {value!r}" for name, value in values.items()))
    notebook.cells.insert(place + 1, cell)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()

    (run,) = (tmp_path / "runs").iterdir()
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "200 pictures" in said
    assert "{\"folder 'cats'\": 1}" in said
    assert "epoch   1/1  accuracy: training" in said
    assert "\x1b" not in said, "no moving bars in a notebook"
    assert "f1-score" in said
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3, "samples, history, confusion matrix"
    assert len(openpyxl.load_workbook(run / "Performance.xlsx").sheetnames) == 5
    assert list((run / "export").glob("*.tflite")), said
    assert list((run / "export").glob("*.onnx"))
