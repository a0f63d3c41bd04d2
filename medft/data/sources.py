"""Files and hub repositories -> rows, one at a time, each with its place.

Owns what a row is, which reader reads what, how files are found and opened, and lines of text. Knows nothing
of what a column means.

A reader yields ``Row`` for what it could read and ``RowError`` for what it could not, so that the caller
decides whether one bad row ends everything. Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from medft import paths
from medft.data.config import DatasetConfig
from medft.errors import DataError

MAX_FIELD = 8 * 2**20
"""Characters in one field; a hundred times the longest article of any data set we know is a broken file."""
MAX_LINE = 4 * MAX_FIELD
SAMPLES = "samples:"
_UTF16 = "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > NEW, then dataset.path=NEW"
NO_TEXT = {
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PK\x03\x04": ("an Excel workbook or zip archive", "save the sheet as CSV UTF-8, or unpack the archive"),
    b"\x1f\x8b": ("compressed by gzip", "gunzip FILE"),
}
"""What a file is by its first bytes, and what to do about it."""
SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
"""The words by which sources name their splits."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the source has it."""

    place: str
    """``file:line``, or ``file row n`` where there are no lines."""
    values: Mapping[str, Any]
    """By column name."""
    split: str = ""
    """train, validation or test where the source comes split; empty otherwise."""


class RowError(DataError):
    """One row that cannot be used; ``reason`` is the name it is counted under."""

    def __init__(self, reason: str, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy or "repair the row, or dataset.on_error=skip")
        self.reason = reason


Rows = Iterator[Row | RowError]


def read_rows(config: DatasetConfig) -> Rows:
    """All rows of one data set that is not a mixture.

    Raises:
        DataError: the source as a whole is missing, empty or of another format.
        HubError: the hub cannot be reached or refuses.
    """
    if config.reader == "hub":
        from medft.data import hub

        rows = hub.read(config)
    else:
        rows = _read_files(config)
    return _apply_pattern(rows, re.compile(config.pattern, re.DOTALL)) if config.pattern else rows


def files_of(config: DatasetConfig) -> list[Path]:
    """The files that ``path`` means, sorted.

    Raises:
        DataError: there are none, or one of them is empty.
    """
    path = _resolve(config)
    files, suffixes = [path], SUFFIXES[config.reader or ""]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.name.lower().endswith(suffixes) and p.is_file())
    if not files or not path.exists():
        raise DataError(
            f"there is no data for '{config.name}'",
            where=str(path) + (f" (no {' or '.join(suffixes)} file in it)" if path.is_dir() else ""),
            remedy=config.obtain or "check dataset.path",
        )
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(
                "the file is empty", where=str(file), remedy=config.obtain or "check dataset.path"
            )
    return files


def read_text(path: Path) -> Rows:
    """One example per line, in the column ``text``."""
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            yield Row(f"{path}:{number}", {"text": line.rstrip("\r\n")})


SUFFIXES = {
    "csv": (".csv",),
    "jsonl": (".jsonl",),
    "parquet": (".parquet",),
    "text": (".txt", ".text"),
    "medquad_xml": (".xml",),
    "pubmedqa_json": ("ori_pqal.json",),
}
"""By reader, the endings of the files that it takes from a folder."""


def _reader(name: str) -> Callable[[Path], Rows]:
    """What reads one file."""
    from medft.data import jsonl, medquad, pubmedqa, tables

    readers: dict[str, Callable[[Path], Rows]] = {
        "csv": tables.read_csv,
        "jsonl": jsonl.read,
        "parquet": tables.read_parquet,
        "text": read_text,
        "medquad_xml": medquad.read,
        "pubmedqa_json": pubmedqa.read,
    }
    return readers[name]


def _read_files(config: DatasetConfig) -> Rows:
    read, files = _reader(config.reader or ""), files_of(config)
    for path in files:
        split = _split_of(path) if len(files) > 1 else ""
        for item in read(path):
            yield Row(item.place, item.values, split) if split and isinstance(item, Row) else item


def _split_of(path: Path) -> str:
    parts = re.split(r"[^a-z]+", path.stem.lower())
    return next((SPLITS[part] for part in parts if part in SPLITS), "")


def _resolve(config: DatasetConfig) -> Path:
    if config.path is None:
        raise DataError(
            f"data set '{config.name}' needs a file", remedy=config.obtain or "dataset.path=<file or folder>"
        )
    text = str(config.path)
    return paths.samples_dir() / text.removeprefix(SAMPLES) if text.startswith(SAMPLES) else config.path


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


def _apply_pattern(rows: Rows, pattern: re.Pattern[str]) -> Rows:
    for item in rows:
        if isinstance(item, RowError):
            yield item
        elif match := pattern.search(str(item.values.get("text") or "")):
            yield Row(item.place, {**item.values, **match.groupdict()}, item.split)
        else:
            what = "dataset.pattern does not match the text"
            remedy = "write the form of your lines into dataset.pattern, or dataset.on_error=skip"
            yield RowError("pattern_mismatch", what, where=item.place, remedy=remedy)
