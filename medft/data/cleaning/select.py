"""Duplicates, near duplicates, boilerplate and faulty rows: what can only be told by looking at all records
together.

The outcome does not depend on the order in which rows were read. Nothing here drops a row of a source's own
validation or test split, which other people's figures rest on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.answer_faults import ANSWER_FAULTS, CONTRADICTION, PLACEHOLDER
from medft.data.cleaning.closed_sets import closed_answers, has_closed_answer
from medft.data.cleaning.draw import draw
from medft.data.cleaning.key_index import UNSPLIT, KeyIndex, Mask
from medft.data.cleaning.keys import ABSENT
from medft.data.cleaning.near_duplicates import Pairs, Signatures
from medft.data.cleaning.selection import Selection
from medft.data.config import DatasetConfig
from medft.data.record import SPLITS

DUPLICATE, NEAR_DUPLICATE, BOILERPLATE, BENCHMARK = (
    "duplicate", "near_duplicate", "boilerplate", "benchmark_test",
)  # fmt: skip


def select(
    index: KeyIndex,
    config: DatasetConfig,
    seed: int,
    signatures: Signatures | None = None,
    benchmarks: Sequence[int] = (),
) -> Selection:
    """Set benchmark questions aside; drop duplicates, boilerplate and, when asked to, near duplicates; then
    draw by limits and weights.

    Args:
        index: keys of all rows.
        config: limits, weights and filters.
        seed: of the draws.
        signatures: MinHash signatures of the rows; None looks for no near duplicates.
        benchmarks: positions of the sources that are a benchmark themselves: their test questions are their
            test split; elsewhere such questions are strays.
    """
    selection = Selection(np.ones(len(index), dtype=np.bool_))
    free = ~held_out(index)
    strays = (index.column("held_out") > 0) & ~np.isin(index.column("source"), benchmarks)
    selection.drop(BENCHMARK, free & strays)
    _drop_faulty(index, selection, config, free)
    selection.drop(DUPLICATE, free & _repeated(index, selection.kept))
    if config.cleaning.max_same_answer is not None:
        named = has_closed_answer(index, closed_answers(index, selection.kept))
        beyond = _beyond(index, selection.kept & free & ~named, config.cleaning.max_same_answer)
        selection.drop(BOILERPLATE, beyond)
    if signatures and config.cleaning.near_duplicates == "drop":
        pairs = signatures.pairs(np.flatnonzero(selection.kept), index.column("content"))
        selection.drop(NEAR_DUPLICATE, free & _redundant(index, pairs))
    draw(index, selection, config, seed)
    for name, rows in selection.found.items():
        selection.found[name] = rows & selection.kept
    return selection


def _drop_faulty(index: KeyIndex, selection: Selection, config: DatasetConfig, free: Mask) -> None:
    """Drop rows for the faults of their answers, where the settings of their source say so; note the
    others."""
    faults, source = index.column("faults"), index.column("source")
    classes = has_closed_answer(index, closed_answers(index, selection.kept, sets=True))
    for bit, name in enumerate(ANSWER_FAULTS):
        has = (faults & (1 << bit)) > 0
        if name == CONTRADICTION:
            has = _contradicted(index, selection.kept)
        elif name == PLACEHOLDER:
            has &= ~classes
        drops = np.zeros_like(has)
        for position, member in enumerate(config.members().values()):
            if getattr(member.cleaning, name) == "drop":
                drops |= source == position
        selection.drop(name, has & drops & free)
        selection.found[name] = has


def _contradicted(index: KeyIndex, kept: Mask) -> Mask:
    """Rows of a question that others decide otherwise."""
    closed = has_closed_answer(index, closed_answers(index, kept, sets=True))
    verdict = np.where(
        index.column("verdict") == ABSENT, index.column("answer") * closed, index.column("verdict")
    )
    rows = np.flatnonzero(kept & (verdict != ABSENT) & (index.column("question") != ABSENT))
    _, question = np.unique(index.column("question")[rows], return_inverse=True)
    _, decision = np.unique(verdict[rows], return_inverse=True)
    several = np.bincount(np.unique(np.stack([question, decision]), axis=1)[0]) > 1
    contradicted = np.zeros(len(index), dtype=np.bool_)
    contradicted[rows] = several[question]
    return contradicted


def held_out(index: KeyIndex) -> Mask:
    """Rows that a source which comes split holds out itself."""
    split, source = index.column("split"), index.column("source")
    out = np.zeros(len(index), dtype=np.bool_)
    for number in np.unique(source):
        rows = source == number
        if len(np.unique(split[rows])) > 1:
            out |= rows & (split != UNSPLIT) & (split != SPLITS.index("train"))
    return out


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


def _repeated(index: KeyIndex, kept: Mask) -> Mask:
    """All but one of the kept rows with the same content: the one in the most held-out split stays."""
    order = np.argsort(_held_out_first(index), kind="stable")
    order = order[kept[order]]
    repeated = np.zeros(len(index), dtype=np.bool_)
    repeated[order] = True
    repeated[order[np.unique(index.column("content")[order], return_index=True)[1]]] = False
    return repeated


def _beyond(index: KeyIndex, kept: Mask, most: int) -> Mask:
    """Rows beyond the first ``most`` (by content key) of those that share an answer."""
    answer, content = index.column("answer"), index.column("content")
    rows = np.flatnonzero(kept & (answer != ABSENT))
    rows = rows[np.lexsort((content[rows], answer[rows]))]
    first = np.flatnonzero(np.r_[True, answer[rows][1:] != answer[rows][:-1]][: len(rows)])
    number = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)]))
    beyond = np.zeros(len(index), dtype=np.bool_)
    beyond[rows[number >= most]] = True
    return beyond
