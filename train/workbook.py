"""Writes an evaluation as an Excel workbook, a sheet a subject. Draws nothing: pictures are put in."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.errors import require
from edgits.images import Image
from edgits.sheets import COUNT, FIGURE, SHARE, add_picture, add_sheet, alignment, append, font, name_cell, write
from edgits.train.report import Evaluation, History

MOST_THUMBNAILS = 200
_THUMBNAIL = 56  # pixels
_COUNT_OR_BLANK = "#,##0;;"


def save_workbook(
    path: Path,
    evaluation: Evaluation,
    images: npt.NDArray[np.uint8],
    summary: Mapping[str, Any],
    history: History,
) -> Path:
    """Writes the workbook; the pictures are taken from beside it.

    Args:
        path: The `.xlsx` file; `confusion.png` and, with a history, `history.png` lie beside it.
        evaluation: What to report.
        images: uint8 (N, H, W) of the evaluation.
        summary: Facts, name → value.
        history: Epochs; with none there is no sheet for them.

    Returns:
        `path`.
    """
    book = require("openpyxl", extra="train").Workbook()
    book.remove(book.active)
    _summary(book, evaluation, summary)
    _classes(book, evaluation)
    _confusion(book, evaluation, path.with_name("confusion.png"))
    if history:
        _history(book, history, path.with_name("history.png"))
    _misclassified(book, evaluation, images)
    with files.whole_file(path) as temporary:
        book.save(temporary)
    return path


def _summary(book: Any, evaluation: Evaluation, summary: Mapping[str, Any]) -> None:
    sheet = add_sheet(book, "Summary", ("Fact", "Value"), (24, 90))
    low, high = evaluation.ci95
    figures = (
        ("Accuracy", evaluation.accuracy, SHARE),
        ("95 % interval, low", low, SHARE),
        ("95 % interval, high", high, SHARE),
        ("Images", evaluation.n, COUNT),
        ("Right", evaluation.correct, COUNT),
        ("Wrong", evaluation.n - evaluation.correct, COUNT),
    )
    for name, value, form in figures:
        append(sheet, (name, value), (None, form))
    for name, value in summary.items():
        append(sheet, (name, value), (None, None))
    for row in sheet.iter_rows(min_row=2, min_col=2):
        row[0].alignment = alignment(horizontal="left", wrap_text=True, vertical="top")


def _classes(book: Any, evaluation: Evaluation) -> None:
    head = ("Class", "Precision", "Recall", "F1", "Images")
    sheet = add_sheet(book, "Classification report", head, (16, 12, 12, 12, 12))
    forms = (None, FIGURE, FIGURE, FIGURE, COUNT)
    for row in evaluation.per_class():
        append(sheet, (name_cell(row.name), row.precision, row.recall, row.f1, row.support), forms)
    append(sheet, ("accuracy", None, None, evaluation.accuracy, evaluation.n), forms, bold=True)
    for row in evaluation.averages():
        append(sheet, (row.name, row.precision, row.recall, row.f1, row.support), forms, bold=True)
    for (cell,) in sheet.iter_rows(min_row=2, max_col=1):
        cell.alignment = alignment(horizontal="left")


def _confusion(book: Any, evaluation: Evaluation, picture: Path) -> None:
    from openpyxl.styles import PatternFill

    names = evaluation.class_names
    sheet = add_sheet(book, "Confusion matrix", ("true \\ predicted", *names), (17, *[8] * len(names)))
    sheet.freeze_panes = "B2"
    matrix = evaluation.confusion_matrix()
    for name, counts in zip(names, matrix.tolist(), strict=True):
        append(sheet, (name_cell(name), *counts), (None, *[_COUNT_OR_BLANK] * len(names)))
        cells = sheet[sheet.max_row]
        cells[0].font, cells[0].alignment = font(bold=True), alignment(horizontal="center")
        for cell, count in zip(cells[1:], counts, strict=True):
            if count:
                cell.fill = PatternFill("solid", "C6E0B4" if cell.column == cell.row else "F8CBAD")
    add_picture(sheet, picture, column=len(names) + 3, width=640)


def _history(book: Any, history: History, picture: Path) -> None:
    head = ("Epoch", "Accuracy", "Loss", "Validation accuracy", "Validation loss", "Seconds")
    sheet = add_sheet(book, "History", head, (8, 12, 12, 20, 17, 11))
    columns = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds")
    for row in history:
        values = [row[column] for column in columns]
        append(sheet, (int(values[0]), *values[1:]), (COUNT, SHARE, FIGURE, SHARE, FIGURE, "0.0"))
    add_picture(sheet, picture, column=8, width=900)


def _misclassified(book: Any, evaluation: Evaluation, images: npt.NDArray[np.uint8]) -> None:
    mistakes = evaluation.mistakes()
    shown = mistakes[:MOST_THUMBNAILS]
    head = ("Image", "True", "Predicted", "Confidence", "Index")
    sheet = add_sheet(book, "Misclassified", head, (11, 10, 12, 13, 10))
    names = evaluation.class_names
    for index in shown:
        values = (None, name_cell(names[evaluation.labels[index]]), name_cell(names[evaluation.predictions[index]]))
        append(sheet, (*values, float(evaluation.confidences[index]), int(index)), (None, None, None, SHARE, "0"))
        row = sheet.max_row
        sheet.row_dimensions[row].height = (_THUMBNAIL + 8) * 0.75  # in points
        for cell in sheet[row]:
            cell.alignment = alignment(horizontal="center", vertical="center")
        _thumbnail(sheet, images[index], row)
    note = f"{len(shown)} of {len(mistakes)} mistakes, the most confident first" if len(mistakes) else "no mistakes"
    sheet.column_dimensions["G"].width = 48
    write(sheet.cell(1, 7), note)


def _thumbnail(sheet: Any, image: Image, row: int) -> None:
    """Puts a small picture into the middle of the row's first cell."""
    from openpyxl.drawing.image import Image as Picture
    from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor
    from openpyxl.drawing.xdr import XDRPositiveSize2D
    from openpyxl.utils.units import pixels_to_EMU

    scale = _THUMBNAIL / max(image.shape)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA)
    picture = Picture(io.BytesIO(cv2.imencode(".png", scaled)[1].tobytes()))
    left, top = (pixels_to_EMU((_THUMBNAIL + margin - side) // 2) for margin, side in zip((24, 8), size, strict=True))
    extent = XDRPositiveSize2D(*(pixels_to_EMU(side) for side in size))
    picture.anchor = OneCellAnchor(AnchorMarker(col=0, colOff=left, row=row - 1, rowOff=top), ext=extent)
    sheet.add_image(picture)
