"""Builds the ledger from the counts and the fate of every row."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from medft.data.cache import digest, without_places
from medft.data.cleaning.benchmarks import shipped
from medft.data.cleaning.key_index import Mask
from medft.data.cleaning.select import BENCHMARK
from medft.data.config import DatasetConfig
from medft.data.counts import SourceCounts
from medft.data.ledger import Ledger, SourceLedger
from medft.data.readers.registry import HUB
from medft.data.readers.sources import files_of, splits_by_name
from medft.data.record import SPLITS
from medft.data.splitting.division import Division


def build_ledger(
    config: DatasetConfig,
    seed: int,
    fingerprints: Mapping[str, str],
    counts: Mapping[str, SourceCounts],
    division: Division,
) -> Ledger:
    """The ledger of a data set, checked.

    Args:
        config: its settings.
        seed: of split and draws.
        fingerprints: of each source's bytes.
        counts: what was counted while each source was read.
        division: what became of all cleaned rows.
    """
    content = division.index.column("content")
    kept = {name: division.kept_in(name) for name in SPLITS}
    digests = {name: hashlib.sha256(content[rows].tobytes()).hexdigest() for name, rows in kept.items()}
    sources = []
    for position, (name, member) in enumerate(config.members().items()):
        own, counted = division.index.column("source") == position, counts[name]
        dropped = Counter(counted.dropped)
        reasons = division.selection.reasons.items()
        dropped.update({reason: int((rows & own).sum()) for reason, rows in reasons})
        sources.append(
            SourceLedger(
                name=name,
                license=member.license,
                fingerprint=fingerprints[name],
                rows_in=counted.rows_in,
                kept={split: int((rows & own).sum()) for split, rows in kept.items()},
                dropped={reason: count for reason, count in sorted(dropped.items()) if count},
                repaired=dict(sorted(counted.repaired.items())),
                found=_found(counted, division, own),
                identifiers=dict(sorted(counted.identifiers.items())),
                repeated=dict(sorted(counted.repeated.items())),
                screened_for=() if _allowed(config, name) else tuple(b.name for b in shipped().covered),
            )
        )
    notes = (
        *division.selection.notes,
        *_benchmark_notes(config, counts, division),
        *_member_notes(config),
        *_split_notes(config),
    )
    return Ledger(
        dataset=config.name,
        seed=seed,
        sources=tuple(sources),
        fingerprints={"config": digest(without_places(config)), **digests},
        notes=notes,
        statistics=division.statistics,
        untied=dict(division.untied),
    ).check()


def _found(counted: SourceCounts, division: Division, own: Mask) -> dict[str, int]:
    found = Counter(counted.found)
    found.update({name: int((rows & own).sum()) for name, rows in division.selection.found.items()})
    return {name: count for name, count in sorted(found.items()) if count}


def _benchmark_notes(
    config: DatasetConfig, counts: Mapping[str, SourceCounts], division: Division
) -> Iterator[str]:
    """What a model card must say of benchmark test questions that were met."""
    none = np.zeros(len(division.index), dtype=np.bool_)
    strays = division.selection.reasons.get(BENCHMARK, none)
    for position, (source, counted) in enumerate(counts.items()):
        aside = bool((strays & (division.index.column("source") == position)).any())
        if _allowed(config, source):
            yield f"{source}: not screened for test items of benchmarks (allow_benchmark_test)"
        for benchmark, count in counted.repeated.items():
            yield f"{source}: {count:,} rows repeat test items of {benchmark} and are not trained on"
        for benchmark, count in counted.benchmark.items():
            what = (
                f"may be trained on (allow_benchmark_test): figures of this model on {benchmark} mean nothing"
                if _allowed(config, source)
                else "are set aside: they are in no split"
                if aside
                else "are in the test split and are never trained on"
            )
            yield f"{source}: {count:,} test questions of {benchmark} {what}"


def _allowed(config: DatasetConfig, source: str) -> bool:
    return config.allow_benchmark_test or config.members()[source].allow_benchmark_test


def _member_notes(config: DatasetConfig) -> Iterator[str]:
    """Settings of a mixture's members that look at all rows together, and so are the mixture's to decide."""
    for name, member in config.sources.items():
        own = {
            "split": (member.split, config.split),
            "cleaning.max_same_answer": (member.cleaning.max_same_answer, config.cleaning.max_same_answer),
            "cleaning.near_duplicates": (member.cleaning.near_duplicates, config.cleaning.near_duplicates),
        }
        if unused := [key for key, (theirs, ours) in own.items() if theirs != ours]:
            yield f"the mixture's own settings override {', '.join(unused)} of '{name}'"


def _split_notes(config: DatasetConfig) -> Iterator[str]:
    """Splits that nobody has set: those that names of files say."""
    for name, member in config.members().items():
        if member.reader != HUB and member.columns.split is None:
            splits = splits_by_name(files_of(member))
            said = ", ".join(f"{file.name} is {split}" for file, split in splits.items())
            if said:
                yield f"{name}: by their names, {said}"
