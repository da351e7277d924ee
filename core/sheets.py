"""Sheets of an Excel workbook: header, rows, pictures; text that stays text. Knows nothing of what they say."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHARE, COUNT, FIGURE = "0.00%", "#,##0", "0.0000"
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")  # openpyxl writes them, and no program opens the workbook
_HEAD, _RULE = "1F4E79", "D9E2EC"


def add_sheet(book: Any, title: str, head: Sequence[str], widths: Sequence[float]) -> Any:
    """Adds a sheet with a frozen header row that is printed on every page."""
    from openpyxl.styles import PatternFill
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    for column, (name, width) in enumerate(zip(head, widths, strict=True), start=1):
        cell = sheet.cell(1, column)
        write(cell, name)
        cell.font = font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", _HEAD)
        cell.alignment = alignment(horizontal="center", vertical="center")
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.row_dimensions[1].height = 20
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    return sheet


def append(sheet: Any, values: Sequence[Any], forms: Sequence[str | None], *, bold: bool = False) -> None:
    """Adds a row; `forms` are the cells' number formats."""
    from openpyxl.styles import Border, Side

    row = sheet.max_row + 1
    for column, (value, form) in enumerate(zip(values, forms, strict=True), start=1):
        cell = sheet.cell(row, column)
        write(cell, value)
        cell.border = Border(bottom=Side("thin", _RULE))
        if form:
            cell.number_format = form
        if bold:
            cell.font = font(bold=True)


def write(cell: Any, value: Any) -> None:
    """Sets a cell's value; text stays text, also where it begins as a formula does."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if value is None or isinstance(value, int | float):
        cell.value = value
        return
    text = _NO_XML.sub("�", ILLEGAL_CHARACTERS_RE.sub("�", _text(value)))[:32767]  # Excel's limit
    cell.value = text
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(("=", "+", "-", "@"))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "\n".join(_text(item) for item in value) or "none"
    return str(value)


def name_cell(name: str) -> str | int:
    """Writes a digit as a number: Excel marks numbers that are stored as text."""
    return int(name) if name.isdigit() else name


def add_picture(sheet: Any, path: Path, *, column: int, width: int, row: int = 2) -> None:
    """Puts a picture's upper left corner into a cell; it is made `width` pixels wide."""
    from openpyxl.drawing.image import Image as Picture

    picture = Picture(io.BytesIO(path.read_bytes()))
    picture.height, picture.width = round(picture.height * width / picture.width), width
    sheet.add_image(picture, sheet.cell(row, column).coordinate)


def font(**style: Any) -> Any:
    """Returns the workbook's font in a style."""
    from openpyxl.styles import Font

    return Font(name="Calibri", **style)


def alignment(**style: Any) -> Any:
    """Returns an alignment of cells."""
    from openpyxl.styles import Alignment

    return Alignment(**style)
