"""How text files are opened: as UTF-8, line by line, what is no text refused by its first bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from medft.errors import DataError

MAX_FIELD = 8 * 2**20
"""Characters in one field; a hundred times the longest article of any data set we know is a broken file."""
MAX_LINE = 4 * MAX_FIELD
_UTF16 = "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > NEW, then dataset.path=NEW"
NO_TEXT = {
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PK\x03\x04": ("an Excel workbook or zip archive", "save the sheet as CSV UTF-8, or unpack the archive"),
    b"\x1f\x8b": ("compressed by gzip", "gunzip FILE"),
}
"""What a file is by its first bytes, and what to do about it."""


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file as text, its line ends as they are. Bytes that are not UTF-8 become lone surrogates, which
    no text may contain, so that they are found in the row they stand in.

    Raises:
        DataError: the file is UTF-16, a workbook or compressed, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(max(map(len, NO_TEXT)))
        for mark, (what, remedy) in NO_TEXT.items():
            if start.startswith(mark):
                raise DataError(f"the file is {what}, not UTF-8 text", where=str(path), remedy=remedy)
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield text
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def read_lines(path: Path) -> Iterator[str]:
    """Lines with their ends. A line over ``MAX_LINE`` is cut there: too long for any reader, but never in
    memory as a whole."""
    with open_text(path) as file:
        while line := file.readline(MAX_LINE):
            yield line
            while len(line) == MAX_LINE and not line.endswith("\n"):
                line = file.readline(MAX_LINE)
