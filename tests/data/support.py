"""Small helpers of the data tests: settings and files in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.config import build
from medft.data.cleaning.key_index import KeyIndex
from medft.data.cleaning.keys import keys_of
from medft.data.cleaning.near_duplicates import Signatures
from medft.data.cleaning.select import select
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig
from medft.data.prepare import Prepared, prepare
from medft.data.readers.rows import RowError, SourceRow
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


def records(count: int, start: int = 0) -> list[Record]:
    return [record(row["question"], row["answer"]) for row in qa(count, start)]


def select_from(
    rows: Sequence[Record], config: DatasetConfig, seed: int = 1, sources: Sequence[int] = ()
) -> Selection:
    """What stays of `rows`; `sources` are the positions of their members."""
    index, signatures = KeyIndex(), Signatures()
    for number, row in enumerate(rows):
        keys = keys_of(row)
        index.add(keys, sources[number] if sources else 0, "")
        signatures.add(keys.words)
    return select(index, config, seed, signatures)


def prepared(config: DatasetConfig, folder: Path, seed: int = 1) -> Prepared:
    return prepare(config, seed=seed, processed=folder / "processed")


def everything(done: Prepared) -> dict[str, list[Record]]:
    return {split: list(done.records(split)) for split in ("train", "validation", "test")}


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows_of(config: DatasetConfig) -> list[tuple[str, dict[str, Any]]]:
    """The good rows, with the names of their places."""
    return [(i.place.rsplit("/")[-1], dict(i.values)) for i in read_rows(config) if isinstance(i, SourceRow)]


def bad(config: DatasetConfig) -> RowError:
    """The one row that cannot be read."""
    (error,) = [item for item in read_rows(config) if isinstance(item, RowError)]
    return error


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as the JSON lines of a file on a hub."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
