"""Writes an evaluation as an Excel workbook, a sheet a subject. Draws nothing: pictures are put in."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgits import files
from edgits.errors import require
from edgits.images import Image
from edgits.train.report import Evaluation, History

MOST_THUMBNAILS = 200
_THUMBNAIL = 56  # pixels
_SHARE, _COUNT, _COUNT_OR_BLANK, _FIGURE = "0.00%", "#,##0", "#,##0;;", "0.0000"
_HEAD, _RULE = "1F4E79", "D9E2EC"


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
    sheet = _sheet(book, "Summary", ("Fact", "Value"), (24, 90))
    low, high = evaluation.ci95
    figures = (
        ("Accuracy", evaluation.accuracy, _SHARE),
        ("95 % interval, low", low, _SHARE),
        ("95 % interval, high", high, _SHARE),
        ("Images", evaluation.n, _COUNT),
        ("Right", evaluation.correct, _COUNT),
        ("Wrong", evaluation.n - evaluation.correct, _COUNT),
    )
    for name, value, form in figures:
        _append(sheet, (name, value), (None, form))
    for name, value in summary.items():
        _append(sheet, (name, value), (None, None))
    for row in sheet.iter_rows(min_row=2, min_col=2):
        row[0].alignment = _alignment(horizontal="left", wrap_text=True, vertical="top")


def _classes(book: Any, evaluation: Evaluation) -> None:
    head = ("Class", "Precision", "Recall", "F1", "Images")
    sheet = _sheet(book, "Classification report", head, (16, 12, 12, 12, 12))
    forms = (None, _FIGURE, _FIGURE, _FIGURE, _COUNT)
    for row in evaluation.per_class():
        _append(sheet, (_name(row.name), row.precision, row.recall, row.f1, row.support), forms)
    _append(sheet, ("accuracy", None, None, evaluation.accuracy, evaluation.n), forms, bold=True)
    for row in evaluation.averages():
        _append(sheet, (row.name, row.precision, row.recall, row.f1, row.support), forms, bold=True)
    for (cell,) in sheet.iter_rows(min_row=2, max_col=1):
        cell.alignment = _alignment(horizontal="left")


def _confusion(book: Any, evaluation: Evaluation, picture: Path) -> None:
    from openpyxl.styles import PatternFill

    names = evaluation.class_names
    sheet = _sheet(book, "Confusion matrix", ("true \\ predicted", *names), (17, *[8] * len(names)))
    sheet.freeze_panes = "B2"
    matrix = evaluation.confusion_matrix()
    for name, counts in zip(names, matrix.tolist(), strict=True):
        _append(sheet, (_name(name), *counts), (None, *[_COUNT_OR_BLANK] * len(names)))
        cells = sheet[sheet.max_row]
        cells[0].font, cells[0].alignment = _font(bold=True), _alignment(horizontal="center")
        for cell, count in zip(cells[1:], counts, strict=True):
            if count:
                cell.fill = PatternFill("solid", "C6E0B4" if cell.column == cell.row else "F8CBAD")
    _picture(sheet, picture, column=len(names) + 3, width=640)


def _history(book: Any, history: History, picture: Path) -> None:
    head = ("Epoch", "Accuracy", "Loss", "Validation accuracy", "Validation loss", "Seconds")
    sheet = _sheet(book, "History", head, (8, 12, 12, 20, 17, 11))
    columns = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "seconds")
    for row in history:
        values = [row[column] for column in columns]
        _append(sheet, (int(values[0]), *values[1:]), (_COUNT, _SHARE, _FIGURE, _SHARE, _FIGURE, "0.0"))
    _picture(sheet, picture, column=8, width=900)


def _misclassified(book: Any, evaluation: Evaluation, images: npt.NDArray[np.uint8]) -> None:
    mistakes = evaluation.mistakes()
    shown = mistakes[:MOST_THUMBNAILS]
    sheet = _sheet(book, "Misclassified", ("Image", "True", "Predicted", "Confidence", "Index"), (11, 10, 12, 13, 10))
    names = evaluation.class_names
    for index in shown:
        values = (None, _name(names[evaluation.labels[index]]), _name(names[evaluation.predictions[index]]))
        _append(sheet, (*values, float(evaluation.confidences[index]), int(index)), (None, None, None, _SHARE, "0"))
        row = sheet.max_row
        sheet.row_dimensions[row].height = (_THUMBNAIL + 8) * 0.75  # in points
        for cell in sheet[row]:
            cell.alignment = _alignment(horizontal="center", vertical="center")
        _thumbnail(sheet, images[index], row)
    note = f"{len(shown)} of {len(mistakes)} mistakes, the most confident first" if len(mistakes) else "no mistakes"
    sheet.column_dimensions["G"].width = 48
    _write(sheet.cell(1, 7), note)


def _sheet(book: Any, title: str, head: Sequence[str], widths: Sequence[float]) -> Any:
    """Adds a sheet with a frozen header row that is printed on every page."""
    from openpyxl.styles import PatternFill
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    for column, (name, width) in enumerate(zip(head, widths, strict=True), start=1):
        cell = sheet.cell(1, column)
        _write(cell, name)
        cell.font = _font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", _HEAD)
        cell.alignment = _alignment(horizontal="center", vertical="center")
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.row_dimensions[1].height = 20
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    return sheet


def _append(sheet: Any, values: Sequence[Any], forms: Sequence[str | None], *, bold: bool = False) -> None:
    from openpyxl.styles import Border, Side

    row = sheet.max_row + 1
    for column, (value, form) in enumerate(zip(values, forms, strict=True), start=1):
        cell = sheet.cell(row, column)
        _write(cell, value)
        cell.border = Border(bottom=Side("thin", _RULE))
        if form:
            cell.number_format = form
        if bold:
            cell.font = _font(bold=True)


def _write(cell: Any, value: Any) -> None:
    """Sets a cell's value; text stays text, also where it begins as a formula does."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if value is None or isinstance(value, int | float):
        cell.value = value
        return
    text = ILLEGAL_CHARACTERS_RE.sub("�", _text(value))[:32767]  # Excel's limit
    cell.value = text
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(("=", "+", "-", "@"))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "\n".join(_text(item) for item in value) or "none"
    return str(value)


def _name(name: str) -> str | int:
    """Writes a digit as a number: Excel marks numbers that are stored as text."""
    return int(name) if name.isdigit() else name


def _picture(sheet: Any, path: Path, *, column: int, width: int) -> None:
    from openpyxl.drawing.image import Image as Picture

    picture = Picture(io.BytesIO(path.read_bytes()))
    picture.height, picture.width = round(picture.height * width / picture.width), width
    sheet.add_image(picture, sheet.cell(2, column).coordinate)


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


def _font(**style: Any) -> Any:
    from openpyxl.styles import Font

    return Font(name="Calibri", **style)


def _alignment(**style: Any) -> Any:
    from openpyxl.styles import Alignment

    return Alignment(**style)
