"""Whole groups dealt out to test, validation and train, each class in its share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.key_index import KeyArray, Mask
from medft.data.config import SplitConfig
from medft.data.splitting.groups import Groups

TRAIN, VALIDATION, TEST = range(3)
Splits = npt.NDArray[np.uint8]
"""For each row a position in ``SPLITS``."""


def deal(group: Groups, order: KeyArray, stratum: KeyArray, config: SplitConfig, testable: Mask) -> Splits:
    """Deal groups out to test, then validation, until each has its share of every class; train takes the
    rest.

    A group that would overfill a split goes to train, so large groups are never held out, but for the
    smallest where no other fits and train stays the largest. Each share above 0 gets a group as long as
    train keeps one.

    Args:
        group: number of the group of each row.
        order: a shuffled key of each row; groups are taken by their lowest.
        stratum: the class of each row.
        config: shares of the rows.
        testable: False for rows whose group must not go to test.
    """
    names, member = np.unique(group, return_inverse=True)
    first = np.full(len(names), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, member, order)
    refused = np.zeros(len(names), dtype=np.bool_)
    np.logical_or.at(refused, member, ~testable)
    hand = _Hand(member, stratum, len(names))
    shuffled = np.argsort(first)
    everything = np.ones(len(group), dtype=np.bool_)
    hand.fill(TEST, shuffled[~refused[shuffled]], testable, config.test)
    hand.fill(VALIDATION, shuffled, everything, config.validation)
    return hand.result[member]


class _Hand:
    """Groups on their way into splits."""

    def __init__(self, member: npt.NDArray[np.int64], stratum: KeyArray, groups: int) -> None:
        self._classes, of_row = np.unique(stratum, return_inverse=True)
        pairs, rows = np.unique(member * len(self._classes) + of_row, return_counts=True)
        self._of_row = of_row
        self._starts = np.searchsorted(pairs, np.arange(groups + 1) * len(self._classes)).tolist()
        self._class = (pairs % max(len(self._classes), 1)).tolist()
        self._rows = rows.tolist()
        self.sizes = np.bincount(member, minlength=groups)
        self.result: Splits = np.full(groups, TRAIN, dtype=np.uint8)

    def fill(self, name: int, candidates: npt.NDArray[np.int64], rows: Mask, share: float) -> None:
        """Mark candidates as ``name`` until it has its share of ``rows``."""
        candidates = candidates[self.result[candidates] == TRAIN]
        wanted = round(share * rows.sum()) or int(share > 0)
        if not wanted or not len(candidates):
            return
        if self.sizes[candidates].min() > wanted:
            self._smallest(name, candidates)
            return
        lacking = _apportioned(np.bincount(self._of_row[rows], minlength=len(self._classes)), wanted)
        for strict in (2, 1, 0):
            wanted = self._take(name, candidates.tolist(), lacking, wanted, strict)

    def _take(self, name: int, candidates: list[int], lacking: list[int], wanted: int, strict: int) -> int:
        """Take what fits: with ``strict`` 2 no class beyond its share, with 1 where the classes come nearer
        to theirs, with 0 anything. What is still wanted."""
        in_train = int((self.result == TRAIN).sum())
        for group in candidates:
            if wanted <= 0 or in_train <= 1:
                break
            size = int(self.sizes[group])
            if size > wanted or self.result[group] != TRAIN or not self._suits(group, lacking, strict):
                continue
            self.result[group] = name
            wanted, in_train = wanted - size, in_train - 1
            for i in range(self._starts[group], self._starts[group + 1]):
                lacking[self._class[i]] -= self._rows[i]
        return wanted

    def _suits(self, group: int, lacking: list[int], strict: int) -> bool:
        part = range(self._starts[group], self._starts[group + 1])
        if strict == 2:
            return all(self._rows[i] <= lacking[self._class[i]] for i in part)
        if strict == 1:
            rows = self._rows
            return bool(sum(rows[i] * (rows[i] - 2 * lacking[self._class[i]]) for i in part) < 0)
        return True

    def _smallest(self, name: int, candidates: npt.NDArray[np.int64]) -> None:
        """Where no group fits: the smallest, if train keeps a group as large."""
        smallest = candidates[np.argmin(self.sizes[candidates])]
        if 2 * self.sizes[smallest] <= self.sizes[self.result == TRAIN].sum():
            self.result[smallest] = name


def _apportioned(counts: npt.NDArray[np.int64], seats: int) -> list[int]:
    """``seats`` shared out in proportion to ``counts``, by largest remainders."""
    exact = counts * (seats / max(counts.sum(), 1))
    shares = np.floor(exact).astype(int)
    rest = np.lexsort((np.arange(len(counts)), shares - exact))[: seats - shares.sum()]
    shares[rest] += 1
    return [int(share) for share in shares]
