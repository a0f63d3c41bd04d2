"""Encoded rows as Arrow arrays, without a Python object for each token."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medft.prompt.encoded import IGNORE, Labelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def schema() -> pa.Schema:
    """The columns of a file of encoded rows."""
    import pyarrow as pa

    ids = pa.list_(pa.int32())
    numbers = [("length", pa.int32()), ("record", pa.int32())]
    return pa.schema([("input_ids", ids), ("labels", ids), ("answer_bytes", ids), *numbers])


def record_batch(rows: Sequence[Labelled], places: Sequence[int]) -> pa.RecordBatch:
    """Rows with their labels and the bytes of their answers, see ``Encoded``; ``places`` are those of
    their records in the split."""
    import numpy as np
    import pyarrow as pa

    lengths = np.fromiter((len(row.ids) for row in rows), np.int32, len(rows))
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    ids = np.fromiter(itertools.chain.from_iterable(row.ids for row in rows), np.int32, int(ends[-1]))
    labels, sizes = np.full_like(ids, IGNORE), np.full_like(ids, -1)
    for at, row in zip(ends.tolist(), rows, strict=False):
        for start, end, bytes_start, bytes_end, size in row.answers:
            learnt = slice(at + start, at + max(end, start))
            labels[learnt] = ids[learnt]
            if bytes_end:
                sizes[at + bytes_start : at + bytes_end] = 0
                sizes[at + bytes_start] = size
    lists = [_lists(ends, values) for values in (ids, labels, sizes)]
    return pa.RecordBatch.from_arrays(
        [*lists, pa.array(lengths), pa.array(places, pa.int32())], schema=schema()
    )


def _lists(ends: npt.NDArray[np.int32], values: npt.NDArray[np.int32]) -> pa.ListArray:
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))
