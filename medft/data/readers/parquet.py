"""Parquet files -> rows, batch by batch."""

from __future__ import annotations

from pathlib import Path

from medft.data.readers.rows import SourceRow, SourceRows
from medft.errors import DataError


def read(path: Path) -> SourceRows:
    """Every row, numbered from 1.

    Raises:
        DataError: it is not a whole parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield SourceRow(f"{path} row {number}", values)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            "the file is not a whole parquet file", where=str(path), remedy="download or write it again"
        ) from error
