"""Files and hub repositories -> rows, one at a time, each with its place.

Which reader reads what, and how files are found. What a row is stands in rows.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from medft import paths
from medft.data.config import DatasetConfig
from medft.data.readers.rows import SPLITS, Row, RowError, Rows
from medft.data.readers.utf8 import read_text
from medft.errors import DataError

SAMPLES = "samples:"


def read_rows(config: DatasetConfig) -> Rows:
    """All rows of one data set that is not a mixture.

    Raises:
        DataError: the source as a whole is missing, empty or of another format.
        HubError: the hub cannot be reached or refuses.
    """
    if config.reader == "hub":
        from medft.data.readers import hub

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
    from medft.data.readers import csv_file, jsonl, medquad, pubmedqa

    readers: dict[str, Callable[[Path], Rows]] = {
        "csv": csv_file.read_csv,
        "jsonl": jsonl.read,
        "parquet": csv_file.read_parquet,
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
