"""The steps that make a prepared data set: read and clean, select and split, write.

Rows are read once and cleaned one by one into a staging file, while an index of keys is kept in memory; the
index alone decides what stays and where; then the staging file is dealt out. Memory is one batch of texts
plus the index.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from medft.aliases import Advance
from medft.data.build_ledger import build_ledger
from medft.data.config import DatasetConfig
from medft.data.ingest import ingest
from medft.data.ledger import Ledger
from medft.data.record import SPLITS
from medft.data.record_files import batches, schema
from medft.data.source import SourceCounts
from medft.data.splitting.division import Division, divide
from medft.errors import DataError
from medft.files import write_json

CONTAMINATED_ROWS = "contaminated.json"
"""Rows removed because they repeat a test item of a benchmark or a text of `dataset.decontaminate`: id, and
the number of that item or line."""
SKIPPED = "skipped.json"
"""Rows that could not be used, with `dataset.on_error=skip`: place and reason of the first thousand."""


def make(
    config: DatasetConfig, seed: int, fingerprints: Mapping[str, str], folder: Path, progress: Advance
) -> Ledger:
    """Write one file per split into ``folder``, with lists of rows that were removed, and account for all.

    Args:
        config: what to read and how.
        seed: of the split and of rows that are drawn.
        fingerprints: of each source's bytes, for the ledger.
        folder: an empty folder.
        progress: told of rows read since it was last told.

    Raises:
        DataError: a source, row or column that cannot be used, or no row left to train on.
        HubError: a hub that cannot be reached or refuses.
    """
    staging = folder / "staging.parquet"
    ingested = ingest(config, staging, progress)
    division = divide(ingested.index, ingested.signatures, config, seed)
    _check_left(config, ingested.counts, division)
    _deal_out(staging, folder, division)
    staging.unlink()
    _write_removed(folder, ingested.counts)
    return build_ledger(config, seed, fingerprints, ingested.counts, division)


def _check_left(config: DatasetConfig, counts: Mapping[str, SourceCounts], division: Division) -> None:
    dropped = sum((counted.dropped for counted in counts.values()), Counter[str]())
    dropped.update({reason: int(rows.sum()) for reason, rows in division.selection.reasons.items()})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
    if not division.selection.kept.any():
        raise DataError(
            f"no row of data set '{config.name}' is left after cleaning",
            where=f"dropped: {reasons}",
            remedy="check dataset.columns, or switch filters off under dataset.cleaning",
        )
    if division.kept_in("train").any():
        return
    if benchmarks := sum((c.benchmark + c.repeated for c in counts.values()), Counter[str]()):
        raise DataError(
            f"data set '{config.name}' has only test questions of {', '.join(benchmarks)}, "
            "which are not trained on",
            remedy="dataset.allow_benchmark_test=true trains on them, and the model card says so",
        )
    raise DataError(f"no row of data set '{config.name}' is left to train on", where=f"dropped: {reasons}")


def _deal_out(staging: Path, folder: Path, division: Division) -> None:
    """Copy the staged rows into one file per split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", schema(), compression="zstd")
            )
            for name in SPLITS
        }
        kept = {name: division.kept_in(name) for name in SPLITS}
        start = 0
        for batch in batches(staging):
            rows = slice(start, start := start + batch.num_rows)
            for name, writer in writers.items():
                chosen = batch.filter(pa.array(kept[name][rows]))
                if chosen.num_rows:
                    writer.write_batch(chosen)


def _write_removed(folder: Path, counts: Mapping[str, SourceCounts]) -> None:
    """Which rows repeated a held-out text, and which could not be used."""
    repeated = [{"id": i, "repeats": what} for counted in counts.values() for i, what in counted.contaminated]
    skipped = [{"place": p, "reason": r} for counted in counts.values() for p, r in counted.skipped]
    for name, rows in ((CONTAMINATED_ROWS, repeated), (SKIPPED, skipped)):
        if rows:
            write_json(folder / name, rows)
