"""A source in chunks, the unit of work of a process: its rows as they were read, and what has become of them.

Where a chunk ends follows from the rows alone, so that what is written does not depend on how many processes
clean them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medft.data.cleaning.key_index import KeyIndex
from medft.data.config import DatasetConfig
from medft.data.costs import Costs
from medft.data.counts import SourceCounts
from medft.data.readers.columns import check_columns, id_of, selected
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows
from medft.data.row_log import Note
from medft.data.splitting.ties import NearCopies
from medft.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, CHARACTERS = 1024, 4 * 2**20
"""Of the largest chunk, but that one row may be longer."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one source, one after the other."""

    source: int
    """Position of the source among the members."""
    before: int
    """Rows of the source that stand before these."""
    rows: list[SourceRow | RowError]
    """As they were read."""


@dataclass(slots=True)
class CleanedChunk:
    """What has become of a chunk, its rows in their order."""

    source: int
    """Position of the source among the members."""
    near: NearCopies | None
    """By what the records are near to others, unless near duplicates are not looked for."""
    index: KeyIndex = field(default_factory=KeyIndex)
    """The keys of the records that are left."""
    records: pa.RecordBatch | None = None
    """The records themselves, as ``record_files`` stages them; None where none is left."""
    counts: SourceCounts = field(default_factory=SourceCounts)
    """What was counted."""
    notes: list[Note] = field(default_factory=list)
    """What was found in which row."""
    costs: Costs = field(default_factory=Costs)
    """Seconds by check."""


def chunks_of(source: int, config: DatasetConfig, costs: Costs) -> Iterator[Chunk]:
    """One source of a data set, chunk by chunk.

    Raises:
        DataError: it cannot be used, or has no rows.
    """
    rows: list[SourceRow | RowError] = []
    before = size = 0
    for item in costs.of_each("reading", _without_repeated_ids(config)):
        rows.append(item)
        size += _size(item.values) if isinstance(item, SourceRow) else 0
        if len(rows) == ROWS or size >= CHARACTERS:
            yield Chunk(source, before, rows)
            before, rows, size = before + len(rows), [], 0
    if rows:
        yield Chunk(source, before, rows)
    elif not before:
        where = str(config.path or config.repo)
        raise DataError(f"data set '{config.name}' has no rows", where=where)


def _without_repeated_ids(config: DatasetConfig) -> Iterator[SourceRow | RowError]:
    """The rows; an error in place of one whose id has been met before."""
    ids: set[int] = set()
    rows = check_columns(read_rows(config), config)
    if config.columns.id is None:
        yield from rows
        return
    for number, row in enumerate(rows, 1):
        mark = _mark(row, number, config)
        if mark in ids and not isinstance(row, RowError):
            what = f"the id in column '{config.columns.id}' has been met before"
            remedy = "dataset.columns.id=null numbers the rows, dataset.on_error=skip drops the repetition"
            yield RowError("duplicate_id", what, where=row.place, remedy=remedy)
            continue
        ids.update(() if mark is None else (mark,))
        yield row


def _mark(row: SourceRow | RowError, number: int, config: DatasetConfig) -> int | None:
    """By which an id is known again; None for a row that is not taken, or whose id is no text."""
    if isinstance(row, RowError) or not selected(row, config):
        return None
    try:
        return hash(id_of(row, number, config))
    except RowError:
        return None


def _size(value: object) -> int:
    """Characters of all texts in a value."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8
