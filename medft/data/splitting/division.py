"""Decides from the index of keys which cleaned rows are dropped, and in which split the others are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.key_index import KeyArray, KeyIndex, Mask
from medft.data.cleaning.select import select
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig
from medft.data.record import SPLITS
from medft.data.splitting.deal import Splits
from medft.data.splitting.groups import groups
from medft.data.splitting.split import split
from medft.data.splitting.ties import NEAR, NearCopies, Ties, find_ties


@dataclass(frozen=True, slots=True)
class Division:
    """The rows of an index, selected and split."""

    index: KeyIndex
    """Keys of all rows."""
    selection: Selection
    """Which rows stay, and why the others do not."""
    splits: Splits
    """Where those that stay are."""
    statistics: dict[str, int]
    """Near-duplicate pairs and sizes of groups among the rows that stay."""
    closed: KeyArray
    """Keys of the answers of a closed set among the rows that stay."""
    untied: Mapping[str, int]
    """What does not tie rows although it might: rows in the largest group that it would make."""

    def kept_in(self, name: str) -> Mask:
        """Rows that are kept in a split."""
        here: Mask = self.splits == SPLITS.index(name)
        return self.selection.kept & here


def divide(
    index: KeyIndex, near: NearCopies | None, config: DatasetConfig, seed: int, benchmarks: Sequence[int] = ()
) -> Division:
    """Select and split the rows of ``index``.

    Args:
        index: keys of all rows.
        near: how near duplicates are found; None looks for none.
        config: limits, weights, filters and shares.
        seed: of split and draws.
        benchmarks: positions of the sources that are benchmarks themselves.
    """
    selection = select(index, config, seed, near.texts if near else None, benchmarks)
    ties = find_ties(index, selection.kept, config.split, near)
    dealt = split(index, selection, ties, config.split, seed)
    sizes = np.unique(dealt.group[selection.kept], return_counts=True)[1]
    grouped = np.zeros(len(index), dtype=np.bool_)
    grouped[index.tied("group").rows] = True
    statistics = {
        "near_duplicate_pairs": sum(len(pairs[0]) for pairs in ties.near),
        "rows_with_a_group": int((grouped & selection.kept).sum()),
        "groups": len(sizes),
        "rows_in_the_largest_group": int(sizes.max(initial=0)),
        **{f"rows_in_the_largest_group_by_{name}": most for name, most in _largest(index, ties).items()},
    }
    untied = {**ties.recurring, **{name: _largest(index, ties).get(name, 0) for name in dealt.untied}}
    return Division(index, selection, dealt.splits, statistics, ties.closed, untied)


def _largest(index: KeyIndex, ties: Ties) -> dict[str, int]:
    """For each tie alone, the rows in the largest group that it makes."""
    names = (*ties.shared, *((NEAR,) if ties.near else ()))
    found = {}
    for name in names:
        alone = groups(len(index), ties.edges(tuple(other for other in names if other != name)))
        found[name] = int(np.bincount(alone).max(initial=0))
    return found
