"""A data set's settings -> its splits on disk with their ledger, made once and reused.

Owns the order of the steps and the folder layout. Knows nothing of prompts or tokens.

Rows are read once and cleaned one by one into a staging file, while an index of keys is kept in memory; the
index alone decides what stays and where; then the staging file is dealt out. Memory is one batch of texts
plus the index.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medft.data import cache
from medft.data.build_ledger import account
from medft.data.cleaning.keys import ABSENT
from medft.data.cleaning.select import SPLIT_NAMES, Selection, select
from medft.data.config import DatasetConfig
from medft.data.ingest import Progress, Tally, stage
from medft.data.ledger import Ledger
from medft.data.readers.pins import pinned
from medft.data.record import Record
from medft.data.record_files import batches, count_records, read_records, schema
from medft.data.splitting.split import TRAIN, Splits, groups, split
from medft.errors import DataError, MedftError
from medft.files import atomic_folder, read_json, write_json

LEDGER = "ledger.json"
CONTAMINATED = "contaminated.json"
"""Rows removed because they repeat a text of `dataset.decontaminate`: id, and line of that text."""
SKIPPED = "skipped.json"
"""Rows that could not be used, with `dataset.on_error=skip`: place and reason of the first thousand."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set on disk, split and accounted for."""

    folder: Path
    """Holds one parquet file per split, and the ledger."""
    ledger: Ledger
    """The account of every row."""
    config: DatasetConfig
    """What was read, with the commit of every hub data set in place of a branch or tag."""
    reused: bool
    """Whether the folder was there already."""

    @property
    def fingerprint(self) -> str:
        """Digest of all that the folder was made from; it ends the folder's name."""
        return self.folder.name.rsplit("-", 1)[-1]

    def path(self, split: str) -> Path:
        """The parquet file of ``train``, ``validation`` or ``test``; it exists even when it has no rows."""
        return self.folder / f"{split}.parquet"

    def rows(self, split: str) -> int:
        """Rows in a split."""
        return self.ledger.kept()[split]

    def records(self, split: str) -> Iterator[Record]:
        """The records of a split, in the order of the sources."""
        return read_records(self.path(split))


def prepare(
    config: DatasetConfig, *, seed: int, processed: Path, progress: Progress = lambda rows: None
) -> Prepared:
    """Read, clean, split and store a data set, or find it done.

    It is found when nothing that matters has changed: the bytes of the sources (the commit of a hub data
    set), the settings, the seed, and the code of this package. Several processes may call this at once.

    Args:
        config: what to read and how.
        seed: of the split and of rows that are drawn.
        processed: the folder that prepared data sets stand in.
        progress: told of rows read since it was last told.

    Raises:
        DataError: a source, row or column that cannot be used, or no row left to train on.
        HubError: a hub that cannot be reached or refuses.
    """
    with cache.writing(processed):
        config = pinned(config, processed)
    sources = {name: cache.source_fingerprint(member) for name, member in config.members().items()}
    made_from = cache.fingerprint(config, seed, sources)
    folder = processed / f"{config.name}-{made_from[:12]}"
    with cache.writing(processed), cache.lock(processed / f".{folder.name}.lock"):
        if found := _find(folder):
            return Prepared(folder, found, config, reused=True)
        with atomic_folder(folder) as aside:
            ledger = _prepare(config, seed, sources, aside, progress)
            write_json(aside / LEDGER, ledger.to_json())
    return Prepared(folder, ledger, config, reused=False)


def _prepare(
    config: DatasetConfig, seed: int, sources: dict[str, str], folder: Path, progress: Progress
) -> Ledger:
    staging = folder / "staging.parquet"
    staged = stage(config, staging, progress)
    index, signatures = staged.index, staged.signatures
    selection = select(index, config, seed, signatures)
    order = index.column("content")
    near = signatures.pairs(np.flatnonzero(selection.kept), order) if signatures else None
    group = groups(index, selection.kept, near)
    splits = split(index, selection, group, config.split, seed)
    _check_left(config, staged.tallies, selection, splits)
    _deal_out(staging, folder, selection, splits)
    staging.unlink()
    _write_removed(folder, staged.tallies)
    sizes = np.unique(group[selection.kept], return_counts=True)[1]
    figures = {
        "near_duplicate_pairs": len(near[0]) if near else 0,
        "rows_with_a_group": int((index.column("group")[selection.kept] != ABSENT).sum()),
        "groups": len(sizes),
        "rows_in_the_largest_group": int(sizes.max()),
    }
    return account(config, seed, sources, staged.tallies, index, selection, splits, figures)


def _check_left(
    config: DatasetConfig, tallies: dict[str, Tally], selection: Selection, splits: Splits
) -> None:
    dropped = sum((tally.dropped for tally in tallies.values()), Counter[str]())
    dropped.update({reason: int(rows.sum()) for reason, rows in selection.reasons.items()})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
    if not selection.kept.any():
        raise DataError(
            f"no row of data set '{config.name}' is left after cleaning",
            where=f"dropped: {reasons}",
            remedy="check dataset.columns, or switch filters off under dataset.cleaning",
        )
    if (selection.kept & (splits == TRAIN)).any():
        return
    if benchmarks := sum((tally.benchmark for tally in tallies.values()), Counter[str]()):
        raise DataError(
            f"data set '{config.name}' has only test questions of {', '.join(benchmarks)}, "
            "which are not trained on",
            remedy="dataset.allow_benchmark_test=true trains on them, and the model card says so",
        )
    raise DataError(f"no row of data set '{config.name}' is left to train on", where=f"dropped: {reasons}")


def _deal_out(staging: Path, folder: Path, selection: Selection, splits: Splits) -> None:
    """Copy the staged rows into one file per split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", schema(), compression="zstd"))
            for name in SPLIT_NAMES
        ]
        start = 0
        for batch in batches(staging):
            rows = slice(start, start := start + batch.num_rows)
            for number, writer in enumerate(writers):
                chosen = batch.filter(pa.array(selection.kept[rows] & (splits[rows] == number)))
                if chosen.num_rows:
                    writer.write_batch(chosen)


def _write_removed(folder: Path, tallies: dict[str, Tally]) -> None:
    """Which rows repeated a held-out text, and which could not be used."""
    repeated = [{"id": i, "line": n} for tally in tallies.values() for i, n in tally.contaminated]
    skipped = [{"place": p, "reason": r} for tally in tallies.values() for p, r in tally.skipped]
    for name, rows in ((CONTAMINATED, repeated), (SKIPPED, skipped)):
        if rows:
            write_json(folder / name, rows)


def _find(folder: Path) -> Ledger | None:
    """The ledger of a folder that is there and whole, else None."""
    try:
        ledger = Ledger.from_json(read_json(folder / LEDGER))
        whole = all(count_records(folder / f"{n}.parquet") == ledger.kept()[n] for n in SPLIT_NAMES)
    except (MedftError, OSError, ValueError):
        return None
    return ledger if whole else None
