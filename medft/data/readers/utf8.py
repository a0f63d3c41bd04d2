"""Opens text files: as UTF-8, line by line, unpacking gzip and zstd, and refusing files that are not
text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from medft.errors import DataError

MAX_FIELD = 8 * 2**20
"""Characters in one field; a hundred times the longest article of any data set we know is a broken file."""
MAX_LINE = 4 * MAX_FIELD
PACKED = (".gz", ".zst")
"""Endings of compressed files, behind that of their format."""
_FROM_1252 = "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW, then dataset.path=NEW"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
NO_TEXT = {
    codecs.BOM_UTF32_LE: ("UTF-32", "iconv -f UTF-32 -t UTF-8 FILE > NEW, then dataset.path=NEW"),
    codecs.BOM_UTF32_BE: ("UTF-32", "iconv -f UTF-32 -t UTF-8 FILE > NEW, then dataset.path=NEW"),
    codecs.BOM_UTF16_LE: ("UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > NEW, then dataset.path=NEW"),
    codecs.BOM_UTF16_BE: ("UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > NEW, then dataset.path=NEW"),
    b"PK\x03\x04": (
        "an Excel workbook or zip archive",
        "dataset.reader=xlsx for a workbook; unpack an archive",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "save it as .xlsx or as CSV UTF-8"),
    b"PAR1": ("a parquet file", "dataset.reader=parquet"),
    b"%PDF": ("a PDF", "extract its text, one question and answer per line of a csv or jsonl file"),
    b"{\\rtf": ("a document in rich text", "save its table as CSV UTF-8"),
    b"\x89PNG": ("a picture", "name a file of text"),
    b"\xff\xd8\xff": ("a picture", "name a file of text"),
    b"SQLite format 3": ("an SQLite database", "export the table as csv"),
}
"""What a file is by its first bytes, and what to do about it."""

_START = 64
"""Bytes by which a file is known."""


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked where it is compressed by gzip or zstd.

    Raises:
        DataError: it cannot be read, or what is compressed is not whole.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZSTD))
        with _unpacked(path, start) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(path) from error
    except OSError as error:
        if error.errno is None:  # of the decompressor, not of the disk
            raise _broken(path) from error
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


def _unpacked(path: Path, start: bytes) -> BinaryIO:
    if start.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if start.startswith(_ZSTD):
        import pyarrow as pa

        return cast(BinaryIO, pa.input_stream(path, compression="zstd"))
    return path.open("rb")


def _broken(path: Path) -> DataError:
    return DataError("the compressed file is incomplete", where=str(path), remedy="download it again")


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file as text, its line ends as they are. Bytes that are not UTF-8 become lone surrogates, which
    no text may contain, so that they are found in the row they are in.

    Raises:
        DataError: the file is UTF-16, a workbook or the like, or cannot be read.
    """
    with open_bytes(path) as file:
        start = file.read(_START)
    for mark, (what, remedy) in NO_TEXT.items():
        if start.startswith(mark):
            raise DataError(f"the file is {what}, not UTF-8 text", where=str(path), remedy=remedy)
    if start and not start.strip(b"\0"):
        raise DataError(
            "the file begins with null bytes: it was never completely written",
            where=str(path),
            remedy="download or copy it again",
        )
    with open_bytes(path) as file:
        yield io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def read_lines(path: Path) -> Iterator[str]:
    """Lines with their ends. A line over ``MAX_LINE`` is cut there: too long for any reader, but never in
    memory as a whole."""
    with open_text(path) as file:
        while line := file.readline(MAX_LINE):
            yield line
            while len(line) == MAX_LINE and not line.endswith("\n"):
                line = file.readline(MAX_LINE)


def check_names(names: list[str], where: str) -> None:
    """Refuse column names that are not UTF-8, are the bytes of UTF-16, or come twice.

    Raises:
        DataError: they do.
    """
    if any("\0" in name for name in names):
        remedy = "iconv -f UTF-16LE -t UTF-8 FILE > NEW, then dataset.path=NEW"
        raise DataError("the header has null bytes: the file looks like UTF-16", where=where, remedy=remedy)
    for name in names:
        if _is_foreign(name):
            read = name.encode(errors="surrogateescape").decode("cp1252", errors="replace")
            what = f"the header is not UTF-8 text; as Windows-1252 it says '{read}'"
            raise DataError(what, where=where, remedy=_FROM_1252)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        listed = ", ".join(f"'{name}'" for name in twice)
        raise DataError(
            f"several columns have the name {listed}",
            where=where,
            remedy="give each column a name of its own",
        )


def check_text(text: str, where: str) -> None:
    """Refuse a text that ``open_text`` could not read as UTF-8, without showing any of it.

    Raises:
        DataError: it has a byte that is not UTF-8.
    """
    if _is_foreign(text):
        what = "the row is not UTF-8 text; it may be Windows-1252, as spreadsheets write it"
        raise DataError(what, where=where, remedy=_FROM_1252)


def _is_foreign(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)
