"""Records on disk: parquet files written and read in batches, in the memory of one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from medft.data.record import Message, Record

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = tuple(f.name for f in fields(Record))
BATCH_ROWS = 2048
BATCH_CHARACTERS = 8 * 2**20


def schema() -> pa.Schema:
    """The arrow schema of a file of records."""
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("learnt", pa.bool_())]))
    special = {"turns": turns, "groups": pa.list_(pa.string())}
    return pa.schema([(name, special.get(name, pa.string())) for name in COLUMNS])


PLACE = "place"
"""The column of a staging file that names the row of the source."""


class StagingWriter:
    """Writes records with their places to one parquet file; a context manager."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = schema().append(pa.field(PLACE, pa.string()))
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._buffer: list[tuple[Record, str]] = []
        self._characters = 0

    def __enter__(self) -> StagingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def stage(self, record: Record, place: str) -> None:
        """Append one record and the place of its row."""
        self._buffer.append((record, place))
        self._characters += len(record.question) + len(record.context) + len(record.answer)
        self._characters += sum(len(turn.content) for turn in record.turns)
        if len(self._buffer) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._buffer:
            return
        columns = [
            pa.array([_plain(record, name) for record, _ in self._buffer], self._schema.field(name).type)
            for name in COLUMNS
        ]
        columns.append(pa.array([place for _, place in self._buffer], pa.string()))
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._buffer, self._characters = [], 0


def _plain(record: Record, name: str) -> object:
    value = getattr(record, name)
    return [asdict(turn) for turn in value] if name == "turns" else value


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The arrow record batches of a file, as they were written or smaller."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file, in order."""
    for batch in batches(path):
        for row in batch.to_pylist():
            turns = tuple(Message(**turn) for turn in row.pop("turns"))
            yield Record(**{**row, "groups": tuple(row["groups"])}, turns=turns)


def count_records(path: Path) -> int:
    """The number of records in a file, from its footer.

    Raises:
        OSError, pyarrow.ArrowInvalid: it is not a whole parquet file.
    """
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
