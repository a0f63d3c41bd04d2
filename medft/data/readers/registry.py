"""The table of file readers: by the name that ``dataset.reader`` has, what reads one file.

A new reader is a module beside this one with a ``read``, and a line here. Hub data sets have no files: see
hub.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medft.data.readers import csv_file, jsonl, medquad, parquet, pubmedqa, squad, text, trec, xlsx
from medft.data.readers.rows import SourceRows
from medft.data.readers.utf8 import PACKED


@dataclass(frozen=True, slots=True)
class FileReader:
    """How files of one format are read."""

    read: Callable[[Path], SourceRows]
    """The rows of one file, in memory that does not grow with it."""
    suffixes: tuple[str, ...]
    """Endings of the files that it takes from a folder, in lower case."""
    packed: bool = True
    """Whether it reads files compressed by gzip or zstd, too."""

    def takes(self, name: str) -> bool:
        """Whether a file of a folder is one of its own, by its name."""
        name = name.lower()
        if self.packed:
            name = next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)
        return name.endswith(self.suffixes)


READERS = {
    "csv": FileReader(csv_file.read, (".csv", ".tsv")),
    "jsonl": FileReader(jsonl.read, (".jsonl", ".json", ".ndjson")),
    "parquet": FileReader(parquet.read, (".parquet",), packed=False),
    "xlsx": FileReader(xlsx.read, (".xlsx",), packed=False),
    "text": FileReader(text.read, (".txt", ".text")),
    "medquad_xml": FileReader(medquad.read, (".xml",), packed=False),
    "trec_xml": FileReader(trec.read, (".xml",)),
    "squad_json": FileReader(squad.read, (".json",)),
    "pubmedqa_json": FileReader(pubmedqa.read, ("ori_pqal.json",), packed=False),
}
HUB = "hub"
"""The one reader that is given settings instead of a file."""


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and below it, sorted; without hidden ones, which hold what a system notes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p for p in files if not any(part[0] == "." for part in p.relative_to(folder).parts))
