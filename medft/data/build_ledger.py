"""What was read, selected and split -> the ledger.

Owns how the figures of the steps become one account. Knows nothing of files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from medft.data.cache import digest, without_places
from medft.data.cleaning.select import SPLIT_NAMES, Index, Mask, Selection
from medft.data.config import DatasetConfig
from medft.data.ingest import Tally
from medft.data.ledger import Ledger, SourceLedger
from medft.data.splitting.split import Splits


def account(
    config: DatasetConfig,
    seed: int,
    fingerprints: Mapping[str, str],
    tallies: Mapping[str, Tally],
    index: Index,
    selection: Selection,
    splits: Splits,
    figures: dict[str, int],
) -> Ledger:
    """The ledger of a data set, checked.

    Args:
        config: its settings.
        seed: of split and draws.
        fingerprints: of each source's bytes.
        tallies: what was counted while each source was read.
        index: keys of all cleaned rows.
        selection: which of them stay, and why the others do not.
        splits: where those that stay are.
        figures: counts that are no rows in or out.
    """
    sources = tuple(
        SourceLedger(
            name=name,
            licence=member.licence,
            fingerprint=fingerprints[name],
            repaired=dict(sorted(tallies[name].repaired.items())),
            identifiers=dict(sorted(tallies[name].identifiers.items())),
            **_rows(tallies[name], selection, splits, index.column("source") == position),
        )
        for position, (name, member) in enumerate(config.members().items())
    )
    return Ledger(
        dataset=config.name,
        seed=seed,
        sources=sources,
        fingerprints={"config": digest(without_places(config)), **_content(index, selection, splits)},
        notes=(*selection.notes, *_benchmark_notes(config, tallies), *_member_notes(config)),
        figures=figures,
    ).check()


def _rows(tally: Tally, selection: Selection, splits: Splits, rows: Mask) -> dict[str, Any]:
    """Rows of one source that came in, are kept by split, and were dropped by reason."""
    dropped = Counter(tally.dropped)
    dropped.update({reason: int((chosen & rows).sum()) for reason, chosen in selection.reasons.items()})
    kept = selection.kept & rows
    return {
        "rows_in": tally.rows_in,
        "kept": {name: int((kept & (splits == i)).sum()) for i, name in enumerate(SPLIT_NAMES)},
        "dropped": {reason: count for reason, count in sorted(dropped.items()) if count},
    }


def _benchmark_notes(config: DatasetConfig, tallies: Mapping[str, Tally]) -> Iterator[str]:
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


def _member_notes(config: DatasetConfig) -> Iterator[str]:
    """Settings of a mixture's members that look at all rows together, and so are the mixture's to decide."""
    for name, member in config.sources.items():
        own = {
            "split": (member.split, config.split),
            "cleaning.max_same_answer": (member.cleaning.max_same_answer, config.cleaning.max_same_answer),
            "cleaning.near_duplicates": (member.cleaning.near_duplicates, config.cleaning.near_duplicates),
        }
        if unused := [key for key, (theirs, ours) in own.items() if theirs != ours]:
            yield f"in this mixture, {', '.join(unused)} of '{name}' give way to the mixture's own"


def _content(index: Index, selection: Selection, splits: Splits) -> dict[str, str]:
    content = index.column("content")
    return {
        name: hashlib.sha256(content[selection.kept & (splits == i)].tobytes()).hexdigest()
        for i, name in enumerate(SPLIT_NAMES)
    }
