"""Records on disk: parquet files written and read in batches, in the memory of one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.record import Message, Record

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = tuple(f.name for f in fields(Record))
BATCH_ROWS = 2048
CLOSED = "closed_answers.json"
"""The file beside them with the keys of the answers of a closed set."""


def schema() -> pa.Schema:
    """The arrow schema of a file of records."""
    import pyarrow as pa

    turns = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("learnt", pa.bool_())]))
    special = {"turns": turns, "groups": pa.list_(pa.string())}
    return pa.schema([(name, special.get(name, pa.string())) for name in COLUMNS])


PLACE = "place"
"""The column of a staging file that names the row of the source."""


def staging_schema() -> pa.Schema:
    """That of a staging file: a record, and the place of its row."""
    import pyarrow as pa

    return schema().append(pa.field(PLACE, pa.string()))


def staged(records: Sequence[Record], places: Sequence[str]) -> pa.RecordBatch:
    """Records with the places of their rows, as a staging file has them."""
    import pyarrow as pa

    fields = staging_schema()
    columns = [
        pa.array([_plain(record, name) for record in records], fields.field(name).type) for name in COLUMNS
    ]
    return pa.RecordBatch.from_arrays([*columns, pa.array(places, pa.string())], schema=fields)


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
