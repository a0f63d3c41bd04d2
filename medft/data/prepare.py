"""A data set's settings -> its splits on disk with their ledger, made once and reused.

Owns the order of the steps, the folder layout and the cache. Knows nothing of prompts or tokens.

Rows are read once and cleaned one by one into a staging file, while an index of keys is kept in memory; the
index alone decides what stays and where; then the staging file is dealt out. Memory is one batch of texts
plus the index.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from medft.config import plain
from medft.data.config import DatasetConfig
from medft.data.ledger import Ledger, SourceLedger
from medft.data.record import Record
from medft.data.select import SPLIT_NAMES, Index, Mask, Selection, select
from medft.data.sources import files_of
from medft.data.split import TRAIN, Splits, split
from medft.data.stage import Tally, stage
from medft.data.store import batches, count_records, read_records, schema
from medft.errors import DataError, MedftError
from medft.runs import atomic_folder, read_json, write_json

LEDGER = "ledger.json"
CONTAMINATED = "contaminated.json"
"""Rows removed because they repeat a text of `dataset.decontaminate`: id, and line of that text."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set on disk, split and accounted for."""

    folder: Path
    """Holds one parquet file per split, and the ledger."""
    ledger: Ledger
    """The account of every row."""
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


def prepare(config: DatasetConfig, *, seed: int, processed: Path) -> Prepared:
    """Read, clean, split and store a data set, or find it done.

    It is found when nothing that matters has changed: the bytes of the sources, the settings, the seed, and
    the code of this package. Several processes may call this at once.

    Args:
        config: what to read and how.
        seed: of the split and of rows that are drawn.
        processed: the folder that prepared data sets stand in.

    Raises:
        DataError: a source, row or column that cannot be used, or no row left to train on.
        HubError: a hub that cannot be reached or refuses.
    """
    sources = {name: fingerprint_of(member) for name, member in config.members().items()}
    made_from = _digest({"config": _without_paths(config), "seed": seed, "sources": sources, "code": _code()})
    folder = processed / f"{config.name}-{made_from[:12]}"
    with _writing(processed), _lock(processed / f".{folder.name}.lock"):
        if found := _find(folder):
            return Prepared(folder, found, reused=True)
        with atomic_folder(folder) as aside:
            ledger = _prepare(config, seed, sources, aside)
            write_json(aside / LEDGER, ledger.to_json())
    return Prepared(folder, ledger, reused=False)


def fingerprint_of(config: DatasetConfig) -> str:
    """A digest of the bytes of a data set's files, or the hub's fingerprint of its revision."""
    if config.reader == "hub":
        from medft.data import hub

        return hub.fingerprint(config)
    total = hashlib.sha256()
    for path in files_of(config):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
        total.update(path.name.encode())
    return total.hexdigest()


def _prepare(config: DatasetConfig, seed: int, sources: dict[str, str], folder: Path) -> Ledger:
    staging = folder / "staging.parquet"
    staged = stage(config, staging)
    index, order = staged.index, staged.index.column("content")
    selection = select(index, config, seed, staged.signatures)
    near = [staged.signatures.pairs(np.flatnonzero(selection.kept), order)] if staged.signatures else []
    splits = split(index, selection, config.split, seed, near)
    _check_left(config, staged.tallies, selection, splits)
    _deal_out(staging, folder, selection, splits)
    staging.unlink()
    _write_contaminated(folder, staged.tallies)
    accounts = [
        _account(member, sources[name], staged.tallies[name], selection, splits, index.column("source") == i)
        for i, (name, member) in enumerate(config.members().items())
    ]
    return Ledger(
        dataset=config.name,
        seed=seed,
        sources=tuple(
            replace(account, name=name) for name, account in zip(config.members(), accounts, strict=True)
        ),
        fingerprints={"config": _digest(_without_paths(config)), **_content(index, selection, splits)},
        notes=(*selection.notes, *_benchmark_notes(config, staged.tallies)),
        figures={"near_duplicate_pairs": sum(len(pair[0]) for pair in near)},
    ).check()


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


def _account(
    config: DatasetConfig, fingerprint: str, tally: Tally, selection: Selection, splits: Splits, rows: Mask
) -> SourceLedger:
    dropped = Counter(tally.dropped)
    dropped.update({reason: int((chosen & rows).sum()) for reason, chosen in selection.reasons.items()})
    kept = {split: int((selection.kept & rows & (splits == i)).sum()) for i, split in enumerate(SPLIT_NAMES)}
    return SourceLedger(
        name=config.name,
        licence=config.licence,
        fingerprint=fingerprint,
        rows_in=tally.rows_in,
        kept=kept,
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
        repaired=dict(sorted(tally.repaired.items())),
        identifiers=dict(sorted(tally.identifiers.items())),
    )


def _benchmark_notes(config: DatasetConfig, tallies: dict[str, Tally]) -> Iterator[str]:
    """What a model card must say of benchmark test questions that were met."""
    for source, tally in tallies.items():
        allowed = config.allow_benchmark_test or config.members()[source].allow_benchmark_test
        for benchmark, count in tally.benchmark.items():
            what = (
                f"may be trained on (allow_benchmark_test): figures of this model on {benchmark} mean nothing"
                if allowed
                else "stand in the test split and are never trained on"
            )
            yield f"{source}: {count:,} test questions of {benchmark} {what}"


def _write_contaminated(folder: Path, tallies: dict[str, Tally]) -> None:
    """Which rows repeated a held-out text, and the line of that text."""
    removed = [{"id": i, "line": n} for tally in tallies.values() for i, n in tally.contaminated]
    if removed:
        write_json(folder / CONTAMINATED, removed)


def _content(index: Index, selection: Selection, splits: Splits) -> dict[str, str]:
    content = index.column("content")
    return {
        name: hashlib.sha256(content[selection.kept & (splits == i)].tobytes()).hexdigest()
        for i, name in enumerate(SPLIT_NAMES)
    }


def _find(folder: Path) -> Ledger | None:
    """The ledger of a folder that is there and whole, else None."""
    try:
        ledger = Ledger.from_json(read_json(folder / LEDGER))
        whole = all(count_records(folder / f"{n}.parquet") == ledger.kept()[n] for n in SPLIT_NAMES)
    except (MedftError, OSError, ValueError):
        return None
    return ledger if whole else None


def _without_paths(config: DatasetConfig) -> Any:
    """Settings without the places of files, whose bytes are what counts."""
    values = plain(config)
    for part in (values, *values["sources"].values()):
        part["path"] = None
    return values


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    """A digest of this package's source, so that a changed rule never meets old results."""
    files = sorted(Path(__file__).parent.glob("*.*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold ``path`` against other processes; the system lets go of it when this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """A full or unwritable disk as one clear error."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            "the disk is full" if full else f"prepared data cannot be written: {error.strerror}",
            where=str(folder),
            remedy="free some space, or name another folder for prepared data",
        ) from error
