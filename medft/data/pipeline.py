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
from typing import TYPE_CHECKING

from medft.aliases import Advance
from medft.data.build_ledger import build_ledger
from medft.data.cleaning.draw import NOT_DRAWN
from medft.data.cleaning.key_index import Mask
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig
from medft.data.costs import COSTS, Costs
from medft.data.counts import SourceCounts
from medft.data.ingest import ingest
from medft.data.ledger import Ledger
from medft.data.record import SPLITS
from medft.data.record_files import CLOSED, PLACE, batches, schema
from medft.data.row_log import ROWS, Done, Notes, RowLog
from medft.data.splitting.division import Division, divide
from medft.errors import DataError
from medft.files import write_json

if TYPE_CHECKING:
    import pyarrow as pa

CONTAMINATED_ROWS = "contaminated.json"
"""Rows removed because they repeat a test item of a benchmark or a text of `dataset.decontaminate`: id, and
the number of that item or line."""


def make(
    config: DatasetConfig, seed: int, fingerprints: Mapping[str, str], folder: Path, progress: Advance
) -> Ledger:
    """Write one file per split into ``folder``, with lists of rows that were removed, and account for all.

    Args:
        config: what to read and how.
        seed: of the split and of rows that are drawn.
        fingerprints: of each source's bytes, for the ledger.
        folder: an empty folder.
        progress: called with the rows read since its last call.

    Raises:
        DataError: a source, row or column that cannot be used, or no row left to train on.
        HubError: a hub that cannot be reached or refuses.
    """
    staging, costs = folder / "staging.parquet", Costs()
    with RowLog(folder / ROWS) as log:
        ingested = ingest(config, staging, log, costs, progress)
        with costs.of("splitting"):
            division = divide(ingested.index, ingested.near, config, seed, ingested.benchmarks())
        _check_left(config, ingested.counts, division)
        with costs.of("writing"):
            _deal_out(staging, folder, division, log)
    staging.unlink()
    _write_contaminated(folder, ingested.counts)
    write_json(folder / CLOSED, {"keys": [int(key) for key in division.closed]})
    write_json(folder / COSTS, {name: round(seconds, 3) for name, seconds in costs.items()})
    return build_ledger(config, seed, fingerprints, ingested.counts, division)


def _check_left(config: DatasetConfig, counts: Mapping[str, SourceCounts], division: Division) -> None:
    dropped = sum((counted.dropped for counted in counts.values()), Counter[str]())
    dropped.update({reason: int(rows.sum()) for reason, rows in division.selection.reasons.items()})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
    if not division.selection.kept.any():
        raise DataError(
            f"no row of data set '{config.name}' is left after cleaning",
            where=f"dropped: {reasons}",
            remedy="check dataset.columns, or turn off filters under dataset.cleaning",
        )
    if division.kept_in("train").any():
        return
    if benchmarks := sum((c.benchmark + c.repeated for c in counts.values()), Counter[str]()):
        raise DataError(
            f"data set '{config.name}' has only test questions of {', '.join(benchmarks)}, "
            "which are excluded from training",
            remedy="dataset.allow_benchmark_test=true trains on them, and the model card says so",
        )
    held_out = ", ".join(f"{int(division.kept_in(name).sum()):,} {name}" for name in SPLITS[1:])
    raise DataError(
        f"data set '{config.name}' has no training rows: its source calls the others {held_out}",
        where=f"dropped: {reasons}" if reasons else str(config.path or config.repo or config.name),
        remedy="give it a train file (train.*) too; or dataset.path=<one of the files> to split that one",
    )


def _deal_out(staging: Path, folder: Path, division: Division, log: RowLog) -> None:
    """Copy the staged rows into one file per split, and name those that are in none."""
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
            _note(batch, rows, division.selection, log)
            batch = batch.drop_columns([PLACE])
            for name, writer in writers.items():
                chosen = batch.filter(pa.array(kept[name][rows]))
                if chosen.num_rows:
                    writer.write_batch(chosen)


def _note(batch: pa.RecordBatch, rows: slice, selection: Selection, log: RowLog) -> None:
    """Name the rows of a batch that are dropped, or kept with a fault."""
    kinds: tuple[tuple[Done, dict[str, Mask]], ...] = (
        ("dropped", selection.reasons),
        ("kept", selection.found),
    )
    notes = Notes()
    for done, masks in kinds:
        for what, mask in masks.items():
            if what == NOT_DRAWN:
                continue
            for i in mask[rows].nonzero()[0].tolist():
                turns = [turn["content"] for turn in batch["turns"][i].as_py()]
                texts = turns or [batch[name][i].as_py() for name in ("question", "answer")]
                notes.add(0, batch[PLACE][i].as_py(), what, done, " | ".join(texts))
    log.write(notes.in_order())


def _write_contaminated(folder: Path, counts: Mapping[str, SourceCounts]) -> None:
    """Which rows repeated a held-out text."""
    repeated = [{"id": i, "repeats": what} for counted in counts.values() for i, what in counted.contaminated]
    if repeated:
        write_json(folder / CONTAMINATED_ROWS, repeated)
