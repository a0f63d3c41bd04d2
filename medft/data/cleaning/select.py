"""Duplicates, near duplicates and boilerplate: what can only be told by looking at all records together.

The outcome does not depend on the order in which rows were read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.draw import draw
from medft.data.cleaning.key_index import UNSPLIT, KeyIndex, Mask
from medft.data.cleaning.keys import ABSENT
from medft.data.cleaning.near_duplicates import Pairs, Signatures
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig

DUPLICATE, NEAR_DUPLICATE, BOILERPLATE = "duplicate", "near_duplicate", "boilerplate"


def select(
    index: KeyIndex, config: DatasetConfig, seed: int, signatures: Signatures | None = None
) -> Selection:
    """Drop duplicates, boilerplate and, when asked to, near duplicates; then draw by limits and weights."""
    selection = Selection(np.ones(len(index), dtype=np.bool_))
    selection.drop(DUPLICATE, _repeated(index))
    if config.cleaning.max_same_answer is not None:
        selection.drop(BOILERPLATE, _beyond(index, selection.kept, config.cleaning.max_same_answer))
    if signatures and config.cleaning.near_duplicates == "drop":
        pairs = signatures.pairs(np.flatnonzero(selection.kept), index.column("content"))
        selection.drop(NEAR_DUPLICATE, _redundant(index, pairs))
    draw(index, selection, config, seed)
    return selection


def _held_out_first(index: KeyIndex) -> npt.NDArray[np.int8]:
    """A sort key: 0 for test rows of a source that comes split, then validation, train, and unsplit."""
    split = index.column("split")
    return np.where(split == UNSPLIT, UNSPLIT, UNSPLIT - 1 - split).astype(np.int8)


def _redundant(index: KeyIndex, pairs: Pairs) -> Mask:
    """Rows near to one that stays; of each pair the more held-out stays, then the one of the lower key."""
    rank = np.empty(len(index), dtype=np.int64)
    rank[np.lexsort((index.column("content"), _held_out_first(index)))] = np.arange(len(index))
    ends = np.sort(np.stack([rank[pairs[0]], rank[pairs[1]]]), axis=0)
    redundant = np.zeros(len(index), dtype=np.bool_)
    for first, second in sorted(zip(*ends.tolist(), strict=True), key=lambda ends: ends[1]):
        redundant[second] |= not redundant[first]
    return redundant[rank]


def _repeated(index: KeyIndex) -> Mask:
    """All but one of the rows with the same content: the one in the most held-out split stays."""
    import pandas as pd

    order = np.argsort(_held_out_first(index), kind="stable")
    repeated = np.zeros(len(index), dtype=np.bool_)
    repeated[order] = pd.Series(index.column("content")[order]).duplicated()
    return repeated


def _beyond(index: KeyIndex, kept: Mask, most: int) -> Mask:
    """Rows beyond the first ``most`` (by content key) of those that share an answer."""
    import pandas as pd

    answer, content = index.column("answer"), index.column("content")
    rows = np.flatnonzero(kept & (answer != ABSENT))
    rows = rows[np.argsort(content[rows], kind="stable")]
    beyond = np.zeros(len(index), dtype=np.bool_)
    beyond[rows] = pd.Series(answer[rows]).groupby(answer[rows]).cumcount() >= most
    return beyond
