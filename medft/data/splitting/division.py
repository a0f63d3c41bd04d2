"""What becomes of every cleaned row, decided from the index of keys alone: dropped, or kept in a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.key_index import KeyIndex, Mask
from medft.data.cleaning.keys import ABSENT
from medft.data.cleaning.near_duplicates import Signatures
from medft.data.cleaning.select import select
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig
from medft.data.record import SPLITS
from medft.data.splitting.groups import groups
from medft.data.splitting.split import Splits, split


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

    def kept_in(self, name: str) -> Mask:
        """Rows that are kept in a split."""
        here: Mask = self.splits == SPLITS.index(name)
        return self.selection.kept & here


def divide(index: KeyIndex, signatures: Signatures | None, config: DatasetConfig, seed: int) -> Division:
    """Select and split the rows of ``index``.

    Args:
        index: keys of all rows.
        signatures: their MinHash signatures; None looks for no near duplicates.
        config: limits, weights, filters and shares.
        seed: of split and draws.
    """
    selection = select(index, config, seed, signatures)
    near = signatures.pairs(np.flatnonzero(selection.kept), index.column("content")) if signatures else None
    group = groups(index, selection.kept, near)
    splits = split(index, selection, group, config.split, seed)
    sizes = np.unique(group[selection.kept], return_counts=True)[1]
    statistics = {
        "near_duplicate_pairs": len(near[0]) if near else 0,
        "rows_with_a_group": int((index.column("group")[selection.kept] != ABSENT).sum()),
        "groups": len(sizes),
        "rows_in_the_largest_group": int(sizes.max(initial=0)),
    }
    return Division(index, selection, splits, statistics)
