import json
import shutil

import cv2
import numpy as np
import openpyxl
import pytest

from edgits.benchmarks.answers import digit_scores, probabilities
from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.errors import ModelError


@pytest.fixture(scope="session")
def lite(run_folder):
    return run_folder / "export" / "ridge-float32.tflite"


@pytest.mark.parametrize("name", ["model.keras", "export/ridge-int8.tflite", "export/ridge-float32.onnx", "."])
def test_every_kind_of_model_is_evaluated(edgits, run_folder, name):
    code, out, err = edgits("evaluate", run_folder / name, run_folder / "test.npz", "--json")
    assert code == 0, err
    value = json.loads(out)
    matrix = np.array(value["confusion_matrix"])
    assert value["n"] == matrix.sum() == 300
    assert value["accuracy"] == pytest.approx(np.trace(matrix) / 300, abs=1e-6)
    assert value["ci95"][0] < value["accuracy"] < value["ci95"][1]
    assert list(value["per_class"]) == list(DIGITS)
    assert value["accuracy"] > 0.75
    assert 0 <= value["rejected"] < 1


def test_json_is_all_that_is_printed_and_nothing_is_written(edgits, lite, run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = edgits("evaluate", lite, run_folder / "test.npz", "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_report_is_written_where_asked(edgits, lite, run_folder, tmp_path):
    code, out, err = edgits("evaluate", lite, run_folder / "test.npz", "--out", tmp_path / "report")
    assert code == 0, err
    assert "accuracy" in out
    assert "rejected" in out
    assert cv2.imread(str(tmp_path / "report/confusion.png")) is not None
    book = openpyxl.load_workbook(tmp_path / "report/Performance.xlsx")
    book.close()
    assert (tmp_path / "report/report.txt").read_text().startswith("accuracy")


def test_images_of_another_size_and_polarity_are_no_problem(edgits, lite, digits, tmp_path):
    held = digits.take(np.arange(100))
    large = np.stack([cv2.resize(image, (50, 50), interpolation=cv2.INTER_AREA) for image in held.images])
    np.savez(tmp_path / "large.npz", images=large, labels=held.labels)
    code, out, err = edgits("evaluate", lite, tmp_path / "large.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] > 0.7


def test_rejection_is_told_beside_the_forced_choice(edgits, lite, run_folder, tmp_path):
    strict = shutil.copy(lite, tmp_path / lite.name)
    card = json.loads(lite.with_name(lite.name + ".card.json").read_text())
    card["reject_threshold"] = 1.0
    (tmp_path / f"{lite.name}.card.json").write_text(json.dumps(card))
    usual, all_rejected = (
        json.loads(edgits("evaluate", model, run_folder / "test.npz", "--json")[1]) for model in (lite, strict)
    )
    assert all_rejected["rejected"] == 1
    assert usual["rejected"] < 0.5
    assert all_rejected["accuracy"] == usual["accuracy"]


class Fixed:
    """A runtime that answers what it is told."""

    name, version = "fixed", "1"
    input, output = TensorSpec((28, 28, 1)), TensorSpec((11,))

    def __init__(self, answers):
        self.answers = answers

    def run(self, batch):
        return self.answers[: len(batch)]


def recognizer(answers, labels=(*DIGITS, "none")):
    from edgits.edge.recognizer import Recognizer

    card = ModelCard(
        name="fixed", format="fixed", labels=labels, input=Fixed.input, output=Fixed.output, scores="probabilities"
    )
    return Recognizer(Fixed(np.asarray(answers, np.float32)), card)


def test_digits_are_found_wherever_the_card_puts_them():
    turned = ("none", *reversed(DIGITS))
    reader = recognizer([[0.9, 0.01, 0.05, *[0] * 8]], turned)
    scores = digit_scores(reader, probabilities(reader, [np.zeros((1, 28, 28, 1), np.float32)]))
    assert scores.shape == (1, 10)
    assert scores.argmax() == 8


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_an_error(bad):
    answers = np.full((3, 11), 0.1)
    answers[1, 4] = bad
    with pytest.raises(ModelError, match=r"'fixed' answers NaN or infinity on 1 of 3 images \(fixed\)"):
        probabilities(recognizer(answers), [np.zeros((3, 28, 28, 1), np.float32)])


def test_a_model_of_other_outputs_is_no_digit_model(edgits, run_folder, tmp_path):
    from edgits.quiet import quiet

    with quiet():
        import keras

        model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
        model.save(tmp_path / "five.keras")
    code, out, err = edgits("evaluate", tmp_path / "five.keras", run_folder / "test.npz", "--out", tmp_path / "r")
    assert (code, out) == (2, "")
    assert "one score for each of ten digits" in err
    assert not (tmp_path / "r").exists() or list((tmp_path / "r").iterdir()) == []


def damaged(kind, lite, tmp_path):
    data = lite.read_bytes()
    if kind == "cut short":
        data = data[: len(data) // 2]
    if kind == "one bit flipped":
        data = data[:3000] + bytes([data[3000] ^ 16]) + data[3001:]
    if kind == "onnx named tflite":
        data = lite.with_suffix(".onnx").read_bytes()
    path = tmp_path / lite.name
    path.write_bytes(data)
    if kind != "onnx named tflite":
        shutil.copy(f"{lite}.card.json", tmp_path)
    return path


@pytest.mark.parametrize("kind", ["cut short", "one bit flipped", "onnx named tflite"])
def test_damaged_models_are_one_line_and_exit_code_2(edgits, lite, run_folder, tmp_path, kind):
    code, out, err = edgits("evaluate", damaged(kind, lite, tmp_path), run_folder / "test.npz", "--out", tmp_path / "r")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert lite.name in err


def test_a_file_where_the_report_shall_go_is_said_before_the_work(edgits, lite, run_folder, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, out, err = edgits("evaluate", lite, run_folder / "test.npz", "--out", tmp_path / "taken")
    assert (code, out) == (2, "")
    assert "can't write" in err
    assert (tmp_path / "taken").read_text() == "mine"


def test_missing_data_is_one_line(edgits, lite):
    code, out, err = edgits("evaluate", lite, "nowhere")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "there is no data 'nowhere'" in err
