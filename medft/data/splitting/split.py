"""Train, validation and test: whole groups, by seed, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.draw import seeded
from medft.data.cleaning.key_index import UNSPLIT, KeyArray, KeyIndex, Mask
from medft.data.cleaning.selection import Selection
from medft.data.config import SplitConfig
from medft.data.splitting.groups import Groups

HELD_OUT = "also_in_held_out_split"
TRAIN, VALIDATION, TEST = range(3)
Splits = npt.NDArray[np.uint8]
"""For each row a position in ``SPLITS``."""


def split(index: KeyIndex, selection: Selection, group: Groups, config: SplitConfig, seed: int) -> Splits:
    """The split of every row (meaningless for rows that are not kept).

    A source's own splits are kept; where a group reaches across them, its rows outside the most held-out one
    are dropped. A source without validation rows gives some of its train rows.

    Args:
        index: keys of all rows.
        selection: which rows are kept; rows that leak into a held-out split are dropped from it.
        group: the group of every row, see ``groups``.
        config: shares of validation and test.
        seed: deals the groups out.
    """
    rows = np.flatnonzero(selection.kept)
    own, lacks_validation, lacks_test = (values[rows] for values in _own_splits(index))
    free = (own == UNSPLIT) | ((own == TRAIN) & lacks_validation)
    held = _most_held_out(group[rows], np.where(free, UNSPLIT, own))
    deals = held == UNSPLIT
    order = seeded(index.column("content")[rows[deals]], seed)
    testable = (lacks_test & (own == UNSPLIT))[deals]
    result = np.where(deals, TRAIN, held)
    result[deals] = deal(group[rows[deals]], order, config, testable)
    leaks = np.zeros(len(index), dtype=np.bool_)
    leaks[rows] = (own != UNSPLIT) & (own != result) & ~(deals & free)
    selection.drop(HELD_OUT, leaks)
    splits = np.full(len(index), TRAIN, dtype=np.uint8)
    splits[rows] = result
    return splits


def deal(group: Groups, order: KeyArray, config: SplitConfig, testable: Mask) -> Splits:
    """Deal groups out to test, then validation, until each has its share; train takes the rest.

    A group that would overfill a split goes to train, so large groups are never held out. Each share above 0
    gets a row where there is a group small enough, as long as train keeps one.

    Args:
        group: number of the group of each row.
        order: a shuffled key of each row; groups are taken by their lowest.
        config: shares of the rows.
        testable: False for rows whose group must not go to test.
    """
    names, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    first = np.full(len(names), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, member, order)
    refused = np.zeros(len(names), dtype=np.bool_)
    np.logical_or.at(refused, member, ~testable)
    shuffled, result = np.argsort(first), np.full(len(names), TRAIN, dtype=np.uint8)
    _fill(
        result,
        TEST,
        shuffled[~refused[shuffled]],
        sizes,
        round(config.test * testable.sum()) or config.test > 0,
    )
    _fill(result, VALIDATION, shuffled, sizes, round(config.validation * len(group)) or config.validation > 0)
    return result[member]


def _fill(
    result: Splits, name: int, candidates: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], wanted: int
) -> None:
    """Mark candidates that fit as ``name``, until it has ``wanted`` rows or train has one group left.

    When none fits, the smallest is taken as long as most rows stay in train.
    """
    candidates = candidates[result[candidates] == TRAIN]
    in_train = int((result == TRAIN).sum())
    if wanted > 0 and in_train > 1 and len(candidates) and sizes[candidates].min() > wanted:
        smallest = candidates[np.argmin(sizes[candidates])]
        if 2 * sizes[smallest] < sizes[result == TRAIN].sum():
            result[smallest] = name
        return
    for number in candidates:
        if wanted <= 0 or in_train <= 1:
            return
        if sizes[number] <= wanted:
            result[number] = name
            wanted -= int(sizes[number])
            in_train -= 1


def _most_held_out(group: Groups, own: Splits) -> Splits:
    """For each row the most held-out split that a source gave to a row of its group, else ``UNSPLIT``."""
    most = np.full(int(group.max(initial=-1)) + 1, -1, dtype=np.int8)
    np.maximum.at(most, group, np.where(own == UNSPLIT, -1, own.astype(np.int8)))
    return np.where(most[group] < 0, UNSPLIT, most[group]).astype(np.uint8)


def _own_splits(index: KeyIndex) -> tuple[Splits, Mask, Mask]:
    """For each row: its source's own split, whether that source lacks validation rows, and test rows.

    A source all of whose rows stand in one split does not come split: that is how hubs store unsplit data.
    Test rows of a benchmark are test rows, whatever their source says.
    """
    own, source, held_out = index.column("split").copy(), index.column("source"), index.column("held_out") > 0
    lacks_validation, lacks_test = np.ones((2, len(index)), dtype=np.bool_)
    for number in np.unique(source):
        rows = source == number
        there = np.unique(own[rows])
        if len(there) == 1:
            own[rows] = UNSPLIT
            lacks_test[rows] = not held_out[rows].any()
        else:
            lacks_validation[rows], lacks_test[rows] = VALIDATION not in there, TEST not in there
    own[held_out] = TEST
    return own, lacks_validation, lacks_test
