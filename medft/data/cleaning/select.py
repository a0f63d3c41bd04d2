"""Which of the cleaned records stay: what can only be said by looking at all of them together.

Owns the index of keys (some 50 bytes a row, never the texts) and the rules for duplicates, boilerplate and
draws. Knows nothing of files. The outcome does not depend on the order in which rows were read.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.keys import ABSENT, Keys
from medft.data.cleaning.near_duplicates import Edges, Signatures
from medft.data.config import DatasetConfig

Column = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

SPLIT_NAMES = ("train", "validation", "test")
UNSPLIT = len(SPLIT_NAMES)
"""The source says nothing of the split."""

DUPLICATE, NEAR_DUPLICATE, BOILERPLATE = "duplicate", "near_duplicate", "boilerplate"
NOT_DRAWN, HELD_OUT = "not_drawn", "also_in_held_out_split"


@dataclass(slots=True)
class Index:
    """Keys of every cleaned record, in reading order."""

    question: array[int] = field(default_factory=lambda: array("Q"))
    answer: array[int] = field(default_factory=lambda: array("Q"))
    group: array[int] = field(default_factory=lambda: array("Q"))
    content: array[int] = field(default_factory=lambda: array("Q"))
    source: array[int] = field(default_factory=lambda: array("H"))
    """Position of the source among the members."""
    split: array[int] = field(default_factory=lambda: array("B"))
    """Position in ``SPLIT_NAMES`` when the source says so, else ``UNSPLIT``."""
    held_out: array[int] = field(default_factory=lambda: array("B"))
    """1 for a benchmark's test rows, which go to test whatever the source says."""

    def add(self, keys: Keys, source: int, split: str, held_out: bool = False) -> None:
        """Append the keys of one record."""
        self.question.append(keys.question)
        self.answer.append(keys.answer)
        self.group.append(keys.group)
        self.content.append(keys.content)
        self.source.append(source)
        self.split.append(SPLIT_NAMES.index(split) if split else UNSPLIT)
        self.held_out.append(held_out)

    def __len__(self) -> int:
        return len(self.content)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the arrays as numpy, without a copy."""
        values: array[int] = getattr(self, name)
        return np.frombuffer(values, dtype=np.dtype(values.typecode))


@dataclass(slots=True)
class Selection:
    """What became of every row of an index."""

    kept: Mask
    """True for rows that stay."""
    reasons: dict[str, Mask] = field(default_factory=dict)
    """Rows dropped, by reason; no row under two."""
    notes: list[str] = field(default_factory=list)
    """What could not be done as asked."""

    def drop(self, reason: str, rows: Mask) -> None:
        """Drop those of ``rows`` that are still kept."""
        rows = rows & self.kept
        if rows.any():
            self.reasons[reason] = self.reasons.get(reason, np.zeros_like(rows)) | rows
            self.kept &= ~rows


def select(index: Index, config: DatasetConfig, seed: int, signatures: Signatures | None = None) -> Selection:
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


def draw(index: Index, selection: Selection, config: DatasetConfig, seed: int) -> None:
    """Keep as many rows of each source as limits and weights allow, drawn by seed."""
    source, order = index.column("source"), seeded(index.column("content"), seed)

    def keep(rows: Mask, limit: int) -> None:
        candidates = np.flatnonzero(rows & selection.kept)
        surplus = np.zeros_like(rows)
        surplus[candidates[np.argsort(order[candidates], kind="stable")[limit:]]] = True
        selection.drop(NOT_DRAWN, surplus)

    rows_of = {name: source == position for position, name in enumerate(config.members())}
    for name, member in config.sources.items():
        if member.limit is not None:
            keep(rows_of[name], member.limit)
    available = {name: int((rows & selection.kept).sum()) for name, rows in rows_of.items()}
    for name, share in _shares(config, available).items():
        keep(rows_of[name], share)
        if share > available[name]:
            selection.notes.append(f"{name}: {share:,} rows asked for, {available[name]:,} there")
    if config.limit is not None:
        keep(np.ones_like(selection.kept), config.limit)


def seeded(values: Column, seed: int) -> Column:
    """Keys in which the order of ``values`` is shuffled by ``seed``.

    The finaliser of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") is a
    bijection, so that distinct keys stay distinct.
    """
    start = int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "little")
    mixed = values.astype(np.uint64) ^ np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _shares(config: DatasetConfig, available: Mapping[str, int]) -> dict[str, int]:
    """Rows to draw from each member by weight: of ``limit`` (largest remainders), or as many as there can be
    without any member falling short."""
    if not config.weights:
        return {}
    total = config.limit or int(min(available[name] / weight for name, weight in config.weights.items()))
    exact = {name: total * weight for name, weight in config.weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in by_remainder[: total - sum(shares.values())]:
        shares[name] += 1
    return shares


def _held_out_first(index: Index) -> npt.NDArray[np.int8]:
    """A sort key: 0 for test rows of a source that comes split, then validation, train, and unsplit."""
    split = index.column("split")
    return np.where(split == UNSPLIT, UNSPLIT, UNSPLIT - 1 - split).astype(np.int8)


def _redundant(index: Index, pairs: Edges) -> Mask:
    """Rows near to one that stays; of each pair the more held-out stays, then the one of the lower key."""
    rank = np.empty(len(index), dtype=np.int64)
    rank[np.lexsort((index.column("content"), _held_out_first(index)))] = np.arange(len(index))
    ends = np.sort(np.stack([rank[pairs[0]], rank[pairs[1]]]), axis=0)
    redundant = np.zeros(len(index), dtype=np.bool_)
    for first, second in sorted(zip(*ends.tolist(), strict=True), key=lambda ends: ends[1]):
        redundant[second] |= not redundant[first]
    return redundant[rank]


def _repeated(index: Index) -> Mask:
    """All but one of the rows with the same content: the one in the most held-out split stays."""
    content = index.column("content")
    order = np.lexsort((_held_out_first(index), content))
    repeated = np.zeros(len(index), dtype=np.bool_)
    repeated[order[1:]] = content[order[1:]] == content[order[:-1]]
    return repeated


def _beyond(index: Index, kept: Mask, most: int) -> Mask:
    """Rows beyond the first ``most`` (by content key) of those that share an answer."""
    answer, content = index.column("answer"), index.column("content")
    rows = np.flatnonzero(kept & (answer != ABSENT))
    rows = rows[np.lexsort((content[rows], answer[rows]))]
    starts = np.flatnonzero(np.r_[True, answer[rows][1:] != answer[rows][:-1]]) if len(rows) else rows
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    beyond = np.zeros(len(index), dtype=np.bool_)
    beyond[rows[rank >= most]] = True
    return beyond
