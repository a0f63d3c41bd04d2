"""Train, validation and test: whole groups, by seed, whatever the order of the rows; a source's own splits
are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.draw import seeded
from medft.data.cleaning.key_index import UNSPLIT, KeyIndex, Mask
from medft.data.cleaning.near_duplicates import Pairs
from medft.data.cleaning.selection import Selection
from medft.data.config import SplitConfig
from medft.data.splitting.deal import TEST, TRAIN, VALIDATION, Splits, deal
from medft.data.splitting.groups import Groups, groups
from medft.data.splitting.ties import FEW, NEAR, Ties

HELD_OUT = "also_in_held_out_split"


@dataclass(frozen=True, slots=True)
class Dealt:
    """The rows in their splits."""

    splits: Splits
    """The split of every row (meaningless for rows that are not kept)."""
    group: Groups
    """The group of every row."""
    untied: tuple[str, ...]
    """``NEAR`` where near duplicates do not tie rows after all, because too little could have been held
    out."""


def split(index: KeyIndex, selection: Selection, ties: Ties, config: SplitConfig, seed: int) -> Dealt:
    """Split the kept rows.

    A source's own validation and test are kept whole. Rows of other splits that share something with them are
    dropped where their source put them in train, and join them where it said nothing. A source without
    validation rows gives some of its train rows. Near duplicates tie no rows where they would leave less than
    half of a held-out split.

    Args:
        index: keys of all rows.
        selection: which rows are kept; rows that leak into a held-out split are dropped from it.
        ties: what must not be parted.
        config: shares of validation and test.
        seed: deals the groups out.
    """
    own = OwnSplits.of(index, selection.kept)
    leaks, dealt = _dealt(index, selection.kept, ties, (), own, config, seed)
    if ties.near and not _enough(dealt.splits, selection.kept & ~leaks, own, config):
        without = _dealt(index, selection.kept, ties, (NEAR,), own, config, seed)
        if _held(without, selection.kept) > _held((leaks, dealt), selection.kept):
            leaks, dealt = without
    selection.drop(HELD_OUT, leaks)
    return dealt


@dataclass(frozen=True, slots=True)
class OwnSplits:
    """What the sources say of the splits, for each row."""

    split: Splits
    """Its source's own split, ``UNSPLIT`` where it has none."""
    lacks_validation: Mask
    """Whether that source has no validation rows."""
    lacks_test: Mask
    """Whether that source has no test rows."""

    @classmethod
    def of(cls, index: KeyIndex, kept: Mask) -> OwnSplits:
        """A source all of whose rows are in one split does not come split: that is how hubs store unsplit
        data. Test rows of a benchmark that are kept are test rows, whatever their source says."""
        split, source = index.column("split").copy(), index.column("source")
        benchmark = kept & (index.column("held_out") > 0)
        lacks_validation, lacks_test = np.ones((2, len(index)), dtype=np.bool_)
        for number in np.unique(source):
            rows = source == number
            there = np.unique(split[rows])
            if len(there) == 1:
                split[rows] = UNSPLIT
                lacks_test[rows] = not benchmark[rows].any()
            else:
                lacks_validation[rows], lacks_test[rows] = VALIDATION not in there, TEST not in there
        split[benchmark & (split != VALIDATION)] = TEST
        return cls(split, lacks_validation, lacks_test)

    @property
    def fixed(self) -> Mask:
        """Rows of a source's own validation and test."""
        there: Mask = (self.split == VALIDATION) | (self.split == TEST)
        return there

    @property
    def free(self) -> Mask:
        """Rows that may be dealt out."""
        free: Mask = (self.split == UNSPLIT) | ((self.split == TRAIN) & self.lacks_validation)
        return free


def _dealt(
    index: KeyIndex, kept: Mask, ties: Ties, without: Sequence[str], own: OwnSplits, config: SplitConfig,
    seed: int,
) -> tuple[Mask, Dealt]:  # fmt: skip
    """Rows that leak into a held-out split, and the others in theirs."""
    fixed, without, edges = own.fixed & kept, tuple(without), ties.edges(tuple(without))
    anchors = np.where(own.free, UNSPLIT, own.split).astype(np.uint8)
    in_train = kept & (own.split == TRAIN)

    def grouped(rows: Mask) -> tuple[Groups, Splits]:
        group = groups(len(index), [_among(edge, rows) for edge in edges])
        return group, _most_held_out(group, np.where(rows, anchors, UNSPLIT))

    leaks = in_train & _sharing(ties, fixed, without)
    group, held = grouped(kept & ~leaks)
    joins = kept & (own.split == UNSPLIT) & ((held == VALIDATION) | (held == TEST))
    if joins.sum() > max(FEW, config.test * kept.sum()):  # too much hangs on them
        leaks |= joins & _sharing(ties, fixed, without)
        joins = np.zeros_like(joins)
        group, held = grouped(kept & ~leaks & ~fixed)
    elif joins.any():
        leaks |= in_train & _sharing(ties, fixed | joins, without)
    splits = np.where(fixed, own.split, np.where(joins, held, TRAIN)).astype(np.uint8)
    deals = np.flatnonzero(kept & own.free & ~joins & ~leaks & (held == UNSPLIT))
    order = seeded(index.column("content")[deals], seed)
    testable = (own.lacks_test & (own.split == UNSPLIT))[deals]
    splits[deals] = deal(group[deals], order, index.column("stratum")[deals], config, testable)
    return leaks, Dealt(splits, group, without)


def _enough(splits: Splits, kept: Mask, own: OwnSplits, config: SplitConfig) -> bool:
    """Whether validation and test have at least half of their shares of what could be dealt out to them."""
    free = kept & own.free
    testable = free & own.lacks_test & (own.split == UNSPLIT)
    return all(
        2 * (free & (splits == name)).sum() >= round(share * could.sum())
        for name, share, could in ((VALIDATION, config.validation, free), (TEST, config.test, testable))
    )


def _held(outcome: tuple[Mask, Dealt], kept: Mask) -> int:
    """Rows held out."""
    leaks, dealt = outcome
    return int((kept & ~leaks & (dealt.splits != TRAIN)).sum())


def _sharing(ties: Ties, fixed: Mask, without: Sequence[str]) -> Mask:
    """Rows outside ``fixed`` that share a text with one of them, or are near to one."""
    found = np.zeros_like(fixed)
    if not fixed.any():
        return found
    for field, tied in ties.shared.items():
        if field not in without:
            found[tied.rows[np.isin(tied.keys, tied.keys[fixed[tied.rows]])]] = True
    if NEAR not in without:
        for pairs in ties.near:
            group = groups(len(fixed), [pairs])
            found |= np.isin(group, group[fixed])
    return found & ~fixed


def _among(edge: Pairs, rows: Mask) -> Pairs:
    inside = rows[edge[0]] & rows[edge[1]]
    return edge[0][inside], edge[1][inside]


def _most_held_out(group: Groups, own: Splits) -> Splits:
    """For each row the most held-out split that a source gave to a row of its group, else ``UNSPLIT``."""
    most = np.full(int(group.max(initial=-1)) + 1, -1, dtype=np.int8)
    np.maximum.at(most, group, np.where(own == UNSPLIT, -1, own.astype(np.int8)))
    return np.where(most[group] < 0, UNSPLIT, most[group]).astype(np.uint8)
