"""Records that are no independent evidence of each other: those of one document, one patient, one context."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from medft.data.record import Record


def clusters(records: Sequence[Record]) -> list[str]:
    """The cluster of every record: records that share a group, through others too, or, where they have none,
    their context. It is named by its first record's; empty for a record that shares nothing by its nature."""
    import numpy as np

    from medft.data.splitting.groups import groups

    first: dict[tuple[str, ...], int] = {}
    edges = [
        (index, first.setdefault(each, index))
        for index, record in enumerate(records)
        for each in _shared(record)
    ]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    names: dict[int, str] = {}
    component = groups(len(records), [(ends[:, 0], ends[:, 1])]).tolist()
    return [names.setdefault(of, _name(record)) for of, record in zip(component, records, strict=True)]


def _shared(record: Record) -> Iterator[tuple[str, ...]]:
    """What it may share: each of its groups, within its data set, or its context."""
    if not record.groups and record.context:
        yield ("", "context", hashlib.sha256(record.context.encode()).hexdigest()[:16])
    for number, group in enumerate(record.groups):
        if group:
            yield record.source, str(number), group


def _name(record: Record) -> str:
    source, _, shared = next(_shared(record), ("", "", ""))
    return f"{source}: {shared}" if source else shared
