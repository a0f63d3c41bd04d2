"""What ties rows together: rows of one question, answer or document, and near duplicates, are one group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.key_index import KeyArray, KeyIndex, Mask
from medft.data.cleaning.keys import ABSENT
from medft.data.cleaning.near_duplicates import Pairs, RowNumbers

Groups = npt.NDArray[np.int32]
"""For each row the number of its group."""


def groups(index: KeyIndex, kept: Mask, near: Pairs | None = None) -> Groups:
    """A number for each row, equal for rows of one group; rows that are not kept are groups of their own.

    Rows that share a question, an answer, a document or a pair of ``near`` are one group, and so is whatever
    hangs together through them.

    Args:
        index: keys of all rows.
        kept: rows that stay; others tie nothing together.
        near: pairs of near duplicates that must not be parted.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(kept)
    edges = [_same(index.column(name), rows) for name in ("question", "answer", "group")]
    edges += [near] if near else []
    left, right = (np.concatenate([edge[side] for edge in edges]) for side in (0, 1))
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(index),) * 2)
    labels: Groups = connected_components(graph, directed=False)[1]
    return labels


def _same(column: KeyArray, rows: RowNumbers) -> Pairs:
    """Pairs of neighbours in each run of equal keys among ``rows``."""
    ordered = rows[np.argsort(column[rows], kind="stable")]
    keys = column[ordered]
    tied = (keys[1:] == keys[:-1]) & (keys[1:] != ABSENT)
    return ordered[:-1][tied], ordered[1:][tied]
