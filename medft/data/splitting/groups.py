"""Rows that are tied together, through chains too, form one group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.near_duplicates import Pairs

Groups = npt.NDArray[np.int32]
"""For each row the number of its group."""


def groups(rows: int, edges: Sequence[Pairs]) -> Groups:
    """A number for each of ``rows`` rows, equal for those that ``edges`` connect; others are alone."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    none = np.empty(0, dtype=np.int64)
    left, right = (np.concatenate([none, *(edge[side] for edge in edges)]) for side in (0, 1))
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(rows, rows))
    labels: Groups = connected_components(graph, directed=False)[1]
    return labels
