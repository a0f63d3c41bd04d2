"""Comma-separated files -> rows, each with the line that it begins on."""

from __future__ import annotations

import csv
import re
from itertools import chain
from pathlib import Path

from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import MAX_FIELD, check_names, read_lines
from medft.errors import DataError

_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
"""A line before the header by which spreadsheets say what separates."""
_NO_HEADER = "put the names of the columns into the first line"


def read(path: Path) -> SourceRows:
    """Rows of a comma-separated file with a header line (RFC 4180); UTF-8 with or without BOM.

    What separates is what a line ``sep=;`` before the header says, else what the header has most of: commas,
    semicolons (as spreadsheets of many countries write them), tabs or bars.
    """
    csv.field_size_limit(MAX_FIELD)
    lines = read_lines(path)
    first, before = next(lines, ""), 0
    if said := _SEPARATOR.fullmatch(first):
        first, before = next(lines, ""), 1
    marks = "\t,;|" if ".tsv" in path.name.lower() else ",;\t|"
    mark = said[1] if said else max(marks, key=re.sub('"[^"]*"', "", first).count)
    if first.lstrip().startswith(("{", "[{")):
        raise DataError("this is JSON and not a csv file", where=f"{path}:1", remedy="dataset.reader=jsonl")
    apart = f"{mark} " in first  # the blank is no part of a field, and may stand before a quote
    reader = csv.reader(chain([first], lines), delimiter=mark, strict=True, skipinitialspace=apart)
    try:
        header = [name.strip() for name in next(reader)]
    except (csv.Error, StopIteration):
        raise DataError("the first line is not a csv header", where=f"{path}:1", remedy=_NO_HEADER) from None
    check_names([name for name in header if name], f"{path}:1")
    while True:
        place = f"{path}:{reader.line_num + before + 1}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = "oversized_field" if "field limit" in str(error) else "malformed_csv"
            last = f"{reader.line_num + before:,}"
            to = "" if place.endswith(f":{last}") else f", to line {last}"
            yield RowError(reason, f"not a csv row{to}: {error}", where=place)
            continue
        if not fields:
            continue  # an empty line is no row
        if len(fields) == len(header):
            yield SourceRow(place, dict(zip(header, fields, strict=True)))
        else:
            what = f"the row has {len(fields)} fields, the header {len(header)}: its columns are shifted"
            remedy = "quote fields that contain commas, or dataset.on_error=skip"
            yield RowError("shifted_columns", what, where=place, remedy=remedy)
