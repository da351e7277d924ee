import json

import cv2
import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from edgits.errors import DataError, OutputError
from edgits.train.report import evaluate, evaluation_json, report_text, write_report
from edgits.train.workbook import MOST_THUMBNAILS

DIGITS = tuple("0123456789")


def probabilities_for(predictions, classes=10, confidence=0.9):
    values = np.full((len(predictions), classes), (1 - confidence) / (classes - 1))
    values[np.arange(len(predictions)), predictions] = confidence
    return values


def an_evaluation(n=300, wrong=20, seed=3):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 10)
    predictions = labels.copy()
    predictions[:wrong] = (labels[:wrong] + rng.integers(1, 10, wrong)) % 10
    values = probabilities_for(predictions)
    values[np.arange(n), predictions] = rng.uniform(0.5, 1, n)
    return evaluate(labels, values, DIGITS), rng.integers(0, 256, (n, 28, 28), np.uint8)


def a_history(epochs=3):
    return [
        {
            "epoch": float(epoch),
            "accuracy": 0.5 + epoch / 10,
            "loss": 1 / epoch,
            "val_accuracy": 0.4 + epoch / 10,
            "val_loss": 1.1 / epoch,
            "seconds": 2.5,
        }
        for epoch in range(1, epochs + 1)
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=60))
def test_figures_are_those_of_scikit_learn(pairs):
    labels, predictions = np.array(pairs, np.int64).T
    evaluation = evaluate(labels, probabilities_for(predictions), DIGITS)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(10), zero_division=0
    )
    rows = evaluation.per_class()
    np.testing.assert_allclose([row.precision for row in rows], precision)
    np.testing.assert_allclose([row.recall for row in rows], recall)
    np.testing.assert_allclose([row.f1 for row in rows], f1)
    assert [row.support for row in rows] == support.tolist()
    assert evaluation.accuracy == pytest.approx(metrics.accuracy_score(labels, predictions))
    np.testing.assert_array_equal(
        evaluation.confusion_matrix(), metrics.confusion_matrix(labels, predictions, labels=range(10))
    )
    low, high = evaluation.ci95
    assert 0 <= low <= evaluation.accuracy <= high <= 1


def test_the_report_reads_as_scikit_learns():
    evaluation, _ = an_evaluation()
    expected = metrics.classification_report(evaluation.labels, evaluation.predictions, digits=4)
    assert report_text(evaluation).split() == expected.split()


def test_json_has_what_the_contract_names():
    evaluation, _ = an_evaluation(n=200, wrong=10)
    value = json.loads(json.dumps(evaluation_json(evaluation)))
    assert value["accuracy"] == 0.95
    assert (value["n"], value["correct"]) == (200, 190)
    assert value["ci95"] == pytest.approx([0.9105, 0.9726], abs=1e-4)  # Wilson's interval of 190 in 200
    assert list(value["per_class"]) == list(DIGITS)
    assert set(value["per_class"]["3"]) == {"precision", "recall", "f1", "support"}
    assert np.sum(value["confusion_matrix"]) == 200
    assert np.trace(value["confusion_matrix"]) == 190


def test_no_digit_is_a_class_only_where_it_is_predicted():
    labels = np.array([0, 1, 2])
    names = (*DIGITS, "none")
    assert evaluate(labels, probabilities_for([0, 1, 2], 11), names).class_names == DIGITS
    evaluation = evaluate(labels, probabilities_for([0, 1, 10], 11), names)
    assert evaluation.class_names == names
    assert evaluation.confusion_matrix()[2, 10] == 1
    assert evaluation.averages()[0].recall == pytest.approx(2 / 3), "classes without images don't count"


def test_mistakes_come_most_confident_first():
    evaluation, _ = an_evaluation()
    mistakes = evaluation.mistakes()
    assert sorted(mistakes) == list(range(20))
    assert np.all(np.diff(evaluation.confidences[mistakes]) <= 0)


@pytest.mark.parametrize(
    ("labels", "shape", "message"),
    [
        ([], (0, 10), "there are no images"),
        ([1, 2], (3, 10), r"must be \(2, 10\)"),
        ([1], (1, 9), r"must be \(1, 10\)"),
    ],
)
def test_what_does_not_belong_together_is_refused(labels, shape, message):
    with pytest.raises(DataError, match=message):
        evaluate(np.array(labels, np.int64), np.zeros(shape), DIGITS)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    evaluation, images = an_evaluation()
    summary = {
        "Model": "classic",
        "Formula": '=HYPERLINK("x")',
        "Plus": "+1",
        "Minus": "-1",
        "At": "@x",
        "Control": "a\x07b",
        "Left out": {"folder '=cats'": 3},
        "Unreadable": ["=7/a.png: is empty"],
        "Seed": 1,
        "Long": "x" * 40_000,
    }
    files = write_report(folder, evaluation, images, summary=summary, history=a_history())
    return folder, evaluation, files, openpyxl.load_workbook(folder / "Performance.xlsx")


def test_every_report_file_is_there_and_nothing_else(written):
    folder, _, files, _ = written
    names = {"report.txt", "confusion.png", "history.png", "Performance.xlsx"}
    assert {path.name for path in files} == names == {path.name for path in folder.iterdir()}
    for name in ("confusion.png", "history.png"):
        assert cv2.imread(str(folder / name)).std() > 5
    assert "accuracy 93.33 % (95 % interval" in (folder / "report.txt").read_text()


def test_the_workbook_has_its_sheets_and_pictures(written):
    *_, book = written
    titles = ["Summary", "Classification report", "Confusion matrix", "History", "Misclassified"]
    assert book.sheetnames == titles
    assert [len(book[title]._images) for title in titles] == [0, 0, 1, 1, 20]
    assert [book[title].freeze_panes for title in titles] == ["A2", "A2", "B2", "A2", "A2"]


def test_the_workbooks_figures_are_the_evaluations(written):
    _, evaluation, _, book = written
    facts = {name.value: value.value for name, value in book["Summary"].iter_rows(min_row=2)}
    assert facts["Accuracy"] == pytest.approx(280 / 300)
    assert (facts["Images"], facts["Right"], facts["Wrong"]) == (300, 280, 20)
    assert facts["95 % interval, low"] == pytest.approx(evaluation.ci95[0])
    rows = list(book["Classification report"].iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in rows] == [*range(10), "accuracy", "macro avg", "weighted avg"]
    for row, figures in zip(rows, evaluation.per_class(), strict=False):
        assert row[1:] == pytest.approx((figures.precision, figures.recall, figures.f1, figures.support))
    matrix = [row[1:11] for row in book["Confusion matrix"].iter_rows(min_row=2, max_row=11, values_only=True)]
    np.testing.assert_array_equal(matrix, evaluation.confusion_matrix())
    assert [row[:6] for row in book["History"].iter_rows(min_row=2, values_only=True)] == [
        tuple(row.values()) for row in a_history()
    ]


def test_the_workbook_lists_each_mistake_beside_its_picture(written):
    _, evaluation, _, book = written
    sheet = book["Misclassified"]
    rows = [row[1:5] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert [row[3] for row in rows] == evaluation.mistakes().tolist()
    for true, predicted, confidence, index in rows:
        assert (true, predicted) == (evaluation.labels[index], evaluation.predictions[index])
        assert confidence == pytest.approx(evaluation.confidences[index])
    assert [picture.anchor._from.row for picture in sheet._images] == list(range(1, 21))


def test_text_never_becomes_a_formula(written):
    *_, book = written
    cells = {name.value: value for name, value in book["Summary"].iter_rows(min_row=2)}
    for name in ("Formula", "Plus", "Minus", "At"):
        assert cells[name].data_type == "s"
        assert cells[name].quotePrefix
    assert cells["Formula"].value == '=HYPERLINK("x")'
    assert cells["Unreadable"].data_type == "s"
    assert cells["Control"].value == "a\N{REPLACEMENT CHARACTER}b"
    assert len(cells["Long"].value) == 32767
    assert cells["Seed"].value == 1


def test_thumbnails_are_capped_and_the_cap_is_said(tmp_path):
    evaluation, images = an_evaluation(n=300, wrong=250)
    write_report(tmp_path, evaluation, images[:, :20], summary={})
    book = openpyxl.load_workbook(tmp_path / "Performance.xlsx")
    sheet = book["Misclassified"]
    assert len(sheet._images) == MOST_THUMBNAILS == sheet.max_row - 1
    assert sheet["G1"].value == "200 of 250 mistakes, the most confident first"
    assert "History" not in book.sheetnames
    assert not (tmp_path / "history.png").exists()


def test_all_right_is_reported_too(tmp_path):
    evaluation, images = an_evaluation(wrong=0)
    write_report(tmp_path, evaluation, images, summary={}, history=a_history(1))
    sheet = openpyxl.load_workbook(tmp_path / "Performance.xlsx")["Misclassified"]
    assert sheet["G1"].value == "no mistakes"
    assert sheet.max_row == 1


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    evaluation, images = an_evaluation()
    with pytest.raises(OutputError, match="can't write"):
        write_report(tmp_path / "file", evaluation, images, summary={})
