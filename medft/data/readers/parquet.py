"""Parquet files -> rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medft.data.readers.rows import RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import check_names
from medft.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def read(path: Path) -> SourceRows:
    """Every row, numbered from 1.

    Raises:
        DataError: it is not a whole parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_names(list(file.schema_arrow.names), str(path))
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for row in _rows(batch):
                    number += 1
                    place = f"{path} row {number}"
                    if row is None:
                        what = "a value of the row is not UTF-8 text, or out of range for its type"
                        yield RowError("malformed_value", what, where=place)
                    else:
                        yield SourceRow(place, row)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            "the parquet file is incomplete or damaged", where=str(path), remedy="download or create it again"
        ) from error


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, object] | None]:
    """The rows of a batch; None for one that has a value which cannot be taken out."""
    try:
        yield from batch.to_pylist()
    except (UnicodeDecodeError, OverflowError, ValueError):
        for number in range(batch.num_rows):
            try:
                (row,) = batch.slice(number, 1).to_pylist()
            except (UnicodeDecodeError, OverflowError, ValueError):
                row = None
            yield row
