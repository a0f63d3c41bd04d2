"""Small helpers of the data tests: settings and files in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medft.config import build
from medft.data.config import DatasetConfig
from medft.data.prepare import Prepared, prepare
from medft.data.readers.rows import Row, RowError
from medft.data.readers.sources import read_rows
from medft.data.record import Record

FIXTURES = Path(__file__).parent.parent / "fixtures" / "data"
QA = {"question": "question", "answer": "answer"}


def dataset(reader: str = "jsonl", path: Path | None = None, **settings: Any) -> DatasetConfig:
    """A data set with the columns question and answer, unless `settings` says otherwise."""
    values = {"name": "test", "reader": reader, "path": path, "columns": QA, **settings}
    return build(DatasetConfig, values, "dataset")


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def qa(count: int, start: int = 0) -> list[dict[str, str]]:
    """Questions and answers that have nothing in common."""
    return [
        {"question": f"What is disease {n}?", "answer": " ".join(f"word{n}x{i}" for i in range(12))}
        for n in range(start, start + count)
    ]


def record(
    question: str = "What is asthma?", answer: str = "A disease of the airways.", **more: Any
) -> Record:
    values = {"id": "1", "source": "s", "task": "qa", "language": "en", **more}
    return Record(question=question, answer=answer, **values)


def prepared(config: DatasetConfig, folder: Path, seed: int = 1) -> Prepared:
    return prepare(config, seed=seed, processed=folder / "processed")


def everything(done: Prepared) -> dict[str, list[Record]]:
    return {split: list(done.records(split)) for split in ("train", "validation", "test")}


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows_of(config: DatasetConfig) -> list[tuple[str, dict[str, Any]]]:
    """The good rows, with the names of their places."""
    return [(i.place.rsplit("/")[-1], dict(i.values)) for i in read_rows(config) if isinstance(i, Row)]


def bad(config: DatasetConfig) -> RowError:
    """The one row that cannot be read."""
    (error,) = [item for item in read_rows(config) if isinstance(item, RowError)]
    return error


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as the JSON lines of a file on a hub."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
