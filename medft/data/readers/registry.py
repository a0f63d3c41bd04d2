"""The table of file readers: by the name that ``dataset.reader`` has, what reads one file.

A new reader is a module beside this one with a ``read``, and a line here. Hub data sets have no files: see
hub.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medft.data.readers import csv_file, jsonl, medquad, parquet, pubmedqa, text
from medft.data.readers.rows import SourceRows


@dataclass(frozen=True, slots=True)
class FileReader:
    """How files of one format are read."""

    read: Callable[[Path], SourceRows]
    """The rows of one file, in memory that does not grow with it."""
    suffixes: tuple[str, ...]
    """Endings of the files that it takes from a folder, in lower case."""


READERS = {
    "csv": FileReader(csv_file.read, (".csv",)),
    "jsonl": FileReader(jsonl.read, (".jsonl",)),
    "parquet": FileReader(parquet.read, (".parquet",)),
    "text": FileReader(text.read, (".txt", ".text")),
    "medquad_xml": FileReader(medquad.read, (".xml",)),
    "pubmedqa_json": FileReader(pubmedqa.read, ("ori_pqal.json",)),
}
HUB = "hub"
"""The one reader that is given settings instead of a file."""
