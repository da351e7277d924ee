"""Judges predictions: accuracy with its interval, per-class figures, and the report files.

It works on labels and probabilities, whatever model and runtime gave them. Only the files
need the `train` extra; the figures don't.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.card import NONE_LABEL
from edgits.errors import DataError
from edgits.stats import count_labels, wilson

History = Sequence[Mapping[str, float]]
"""One row an epoch: epoch, accuracy, loss, val_accuracy, val_loss, seconds."""


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is read; an average over classes has the same figures.

    Attributes:
        name: The class.
        precision: Share in [0, 1] of the images read as this class that are of it; 0 where there are none.
        recall: Share in [0, 1] of the images of this class that are read as it; 0 where there are none.
        f1: Harmonic mean of both.
        support: Number of images of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth.

    Attributes:
        labels: int64 (N,), the truth.
        predictions: int64 (N,), the most likely class.
        confidences: float64 (N,) in [0, 1], the probability of the prediction.
        class_names: Name of each class; both arrays index it.
    """

    labels: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    class_names: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """Number of images that were read right."""
        return int(np.sum(self.labels == self.predictions))

    @property
    def accuracy(self) -> float:
        """Share in [0, 1] of the images that were read right."""
        return self.correct / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """The accuracy's 95 % Wilson interval."""
        return wilson(self.correct, self.n)

    def confusion_matrix(self) -> npt.NDArray[np.int64]:
        """Counts int64 (classes, classes): row the truth, column the prediction."""
        size = len(self.class_names)
        return count_labels(self.labels * size + self.predictions, size * size).reshape(size, size)

    def per_class(self) -> list[ClassFigures]:
        """Figures of each class, in the order of `class_names`."""
        matrix = self.confusion_matrix()
        hits, predicted, support = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
        return [
            ClassFigures(name, _share(hit, seen), _share(hit, there), _share(2 * hit, seen + there), int(there))
            for name, hit, seen, there in zip(self.class_names, hits, predicted, support, strict=True)
        ]

    def averages(self) -> list[ClassFigures]:
        """The plain mean over the classes that have images, and the one weighted by their number."""
        rows = [row for row in self.per_class() if row.support]

        def mean(name: str, weights: list[int]) -> ClassFigures:
            figures = np.average([(row.precision, row.recall, row.f1) for row in rows], axis=0, weights=weights)
            precision, recall, f1 = (float(figure) for figure in figures)
            return ClassFigures(name, precision, recall, f1, self.n)

        return [mean("macro avg", [1] * len(rows)), mean("weighted avg", [row.support for row in rows])]

    def mistakes(self) -> npt.NDArray[np.int64]:
        """Indices of the images that were read wrong, the most confident first."""
        wrong = np.flatnonzero(self.labels != self.predictions)
        return wrong[np.argsort(-self.confidences[wrong], kind="stable")]


def evaluate(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating[Any]], class_names: Sequence[str]
) -> Evaluation:
    """Judges probabilities.

    Args:
        labels: int64 (N,), the truth, N at least 1.
        probabilities: float (N, classes) in [0, 1].
        class_names: Name of each class; ``"none"`` is dropped where it is neither true nor predicted.

    Raises:
        DataError: There are no images, or the shapes don't belong together.
    """
    if len(labels) == 0:
        raise DataError("there are no images to evaluate on; give data with digits")
    if probabilities.shape != (len(labels), len(class_names)):
        raise DataError(
            f"probabilities must be ({len(labels)}, {len(class_names)}), found {probabilities.shape}; "
            "give one an image and class"
        )
    predictions = probabilities.argmax(axis=1).astype(np.int64)
    names = tuple(class_names)
    if names[-1] == NONE_LABEL and max(labels.max(), predictions.max()) < len(names) - 1:
        names = names[:-1]
    return Evaluation(labels, predictions, probabilities.max(axis=1).astype(np.float64), names)


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Returns the figures as JSON values: accuracy, n, correct, ci95, per_class, confusion_matrix, class_names."""
    return {
        "accuracy": round(evaluation.accuracy, 6),
        "n": evaluation.n,
        "correct": evaluation.correct,
        "ci95": [round(limit, 6) for limit in evaluation.ci95],
        "per_class": {
            row.name: {
                "precision": round(row.precision, 6),
                "recall": round(row.recall, 6),
                "f1": round(row.f1, 6),
                "support": row.support,
            }
            for row in evaluation.per_class()
        },
        "confusion_matrix": evaluation.confusion_matrix().tolist(),
        "class_names": list(evaluation.class_names),
    }


def accuracy_text(evaluation: Evaluation) -> str:
    """Returns the accuracy as one reads it: ``98.40 % (95 % interval 97.63 to 98.92, 1476 of 1500 right)``."""
    low, high = evaluation.ci95
    return (
        f"{100 * evaluation.accuracy:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f}, "
        f"{evaluation.correct} of {evaluation.n} right)"
    )


def report_text(evaluation: Evaluation) -> str:
    """Returns the classification report as a table, laid out as scikit-learn's."""
    width = max(len("weighted avg"), *(len(name) for name in evaluation.class_names))
    head = f"{'':>{width}}  {'precision':>9} {'recall':>9} {'f1-score':>9} {'support':>9}"
    accuracy = f"{'accuracy':>{width}}  {'':>9} {'':>9} {evaluation.accuracy:>9.4f} {evaluation.n:>9}"
    classes, averages = (
        [
            f"{row.name:>{width}}  {row.precision:>9.4f} {row.recall:>9.4f} {row.f1:>9.4f} {row.support:>9}"
            for row in rows
        ]
        for rows in (evaluation.per_class(), evaluation.averages())
    )
    return "\n".join([head, "", *classes, "", accuracy, *averages]) + "\n"


def write_report(
    folder: Path,
    evaluation: Evaluation,
    images: npt.NDArray[np.uint8],
    *,
    summary: Mapping[str, Any],
    history: History = (),
) -> list[Path]:
    """Writes `report.txt`, `confusion.png`, `Performance.xlsx` and, of a training, `history.png`.

    Args:
        folder: Where to; it is made.
        evaluation: What to report.
        images: uint8 (N, H, W), raw, in the order of the evaluation: thumbnails of mistakes.
        summary: Facts for the first sheet, name → value: model, recipe, data, ….
        history: The training's epochs; empty where nothing was trained.

    Returns:
        The files written.

    Raises:
        OutputError: The folder can't be written.
        MissingExtraError: The `train` extra isn't installed.
    """
    from edgits.train.plots import save_confusion, save_history
    from edgits.train.workbook import save_workbook

    text, confusion, curves = folder / "report.txt", folder / "confusion.png", folder / "history.png"
    files.write_bytes(text, f"accuracy {accuracy_text(evaluation)}\n\n{report_text(evaluation)}".encode())
    save_confusion(confusion, evaluation)
    if history:
        save_history(curves, history)
    book = save_workbook(folder / "Performance.xlsx", evaluation, images, summary, history)
    return [text, confusion, *([curves] if history else []), book]


def _share(part: np.int64, whole: np.int64) -> float:
    return float(part / whole) if whole else 0.0
