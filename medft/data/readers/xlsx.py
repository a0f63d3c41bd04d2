"""Excel workbooks (.xlsx) -> rows, in the memory of one row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from zipfile import BadZipFile

from medft.data.readers.rows import SourceRow, SourceRows
from medft.data.readers.utf8 import check_names
from medft.errors import DataError


def read(path: Path) -> SourceRows:
    """The rows below the header of each sheet; formulas by the value that was last calculated.

    Raises:
        DataError: it is no workbook, a header names a column twice, or two sheets have different headers.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions, which hold no values
            book = load_workbook(file, read_only=True, data_only=True)
            yield from _sheets(book.worksheets, path)
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError, SyntaxError) as error:
        raise DataError(
            "the Excel workbook is incomplete or damaged",
            where=str(path),
            remedy="save it again as .xlsx or CSV UTF-8",
        ) from error


def _sheets(sheets: Sequence[object], path: Path) -> SourceRows:
    header: list[str] = []
    for sheet in sheets:
        name = str(getattr(sheet, "title", ""))
        rows = _rows(sheet)
        number, first = next(rows, (0, []))
        names = [_text(value).strip() for value in first]
        if not names:
            continue
        check_names([column for column in names if column], f"{path} sheet '{name}'")
        if header and names != header:
            raise DataError(
                "the sheets of the workbook have different headers",
                where=f"{path} sheet '{name}'",
                remedy="save the right sheet as a file of its own",
            )
        header = names
        for number, values in rows:
            padded = [*values, *[None] * (len(names) - len(values))]
            kept = {column: _text(value) for column, value in zip(names, padded, strict=False) if column}
            yield SourceRow(f"{path} {name}:{number}", kept)


def _rows(sheet: object) -> Iterator[tuple[int, list[object]]]:
    """Rows that hold something, with their numbers; empty cells at their end left out."""
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):  # type: ignore[attr-defined]
        values = list(cells)
        while values and values[-1] in (None, ""):
            values.pop()
        if values:
            yield number, values


def _text(value: object) -> str:
    """A cell as its reader sees it: a whole number without decimals, dates as ISO 8601 has them."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
