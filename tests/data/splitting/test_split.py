"""Splits: groups whole, shares honoured, the order of rows without influence, sources' own splits kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medft.data.cleaning.key_index import UNSPLIT, KeyIndex
from medft.data.cleaning.keys import Keys, Tie
from medft.data.cleaning.selection import Selection
from medft.data.config import SplitConfig
from medft.data.splitting.deal import TEST, TRAIN, VALIDATION
from medft.data.splitting.split import HELD_OUT, split
from medft.data.splitting.ties import find_ties
from tests.data.splitting.support import index_of

SHARES = SplitConfig(validation=0.1, test=0.2)


def everything(index):
    return Selection(np.ones(len(index), dtype=np.bool_))


def dealt(rows, config=SHARES, seed=1, near=None):
    index = index_of(rows)
    selection = everything(index)
    return split(index, selection, tied(index, config, near), config, seed).splits, selection


def tied(index, config=SHARES, near=None):
    ties = find_ties(index, np.ones(len(index), dtype=np.bool_), config, None)
    return replace(ties, near=(near,) if near else ())


def loose(count, own="", source=0):
    return [(n, n, 0, own, source) for n in range(1, count + 1)]


def test_shares_are_honoured_to_the_row_when_rows_are_loose():
    splits, _ = dealt(loose(1000))
    assert np.bincount(splits).tolist() == [700, 100, 200]


@given(st.lists(st.tuples(*[st.integers(0, 25)] * 3), min_size=2, max_size=60), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_no_question_answer_or_group_is_in_two_splits(rows, seed):
    splits, _ = dealt([(*row, "") for row in rows], seed=seed)
    for part in range(3):
        for value in {row[part] for row in rows} - {0}:
            assert len({splits[i] for i, row in enumerate(rows) if row[part] == value}) == 1
    assert TRAIN in splits


def test_near_duplicates_are_not_parted():
    near = (np.arange(0, 100, 2), np.arange(1, 100, 2))
    splits, _ = dealt(loose(100), near=near)
    assert (splits[0::2] == splits[1::2]).all()
    assert {TRAIN, VALIDATION, TEST} == set(splits)


def test_the_order_of_rows_does_not_matter_but_the_seed_does():
    rows = [(n // 3 + 1, n + 1, 0, "") for n in range(300)]
    order = np.random.default_rng(0).permutation(300)
    index, shuffled = index_of(rows), KeyIndex()
    for n in order:
        ties = (Tie("question", rows[n][0], ("w",) * 9), Tie("answer", rows[n][1], ("w",) * 9))
        shuffled.add(Keys(rows[n][0], rows[n][1], int(n) + 1, (), ties), 0, "")

    def splits(which, seed):
        selection = everything(which)
        return split(which, selection, tied(which), SHARES, seed).splits

    assert (splits(index, 1)[order] == splits(shuffled, 1)).all()
    assert (splits(index, 1) != splits(index, 2)).any()


def test_a_group_larger_than_a_share_goes_to_train():
    rows = [(1, n, 0, "") for n in range(1, 61)] + [(n, n, 0, "") for n in range(61, 101)]
    splits, _ = dealt(rows)
    assert set(splits[:60]) == {TRAIN}
    assert np.bincount(splits).tolist() == [70, 10, 20]


def test_few_large_groups_still_give_every_split_one():
    splits, _ = dealt([(n // 3 + 1, n + 1, 0, "") for n in range(24)], SplitConfig(0.1, 0.1))
    assert np.bincount(splits).tolist() == [18, 3, 3]


def test_a_share_of_zero_gets_nothing():
    assert set(dealt(loose(50), SplitConfig(0, 0))[0]) == {TRAIN}


def test_a_source_that_comes_split_keeps_its_splits():
    rows = [(n, n, 0, ("train", "validation", "test")[n % 3]) for n in range(1, 31)]
    splits, selection = dealt(rows)
    assert splits.tolist() == [n % 3 for n in range(1, 31)]
    assert selection.kept.all()


def test_what_leaks_into_a_held_out_split_is_dropped_from_the_others():
    rows = [
        (1, 1, 0, "train"),
        (1, 2, 0, "test"),
        (3, 3, 0, "validation"),
        (4, 3, 0, "train"),
        (5, 5, 0, "train"),
    ]
    splits, selection = dealt(rows)
    assert selection.reasons[HELD_OUT].tolist() == [True, False, False, True, False]
    assert [splits[i] for i in (1, 2, 4)] == [TEST, VALIDATION, TRAIN]


def test_a_source_that_stands_in_one_split_does_not_come_split():
    assert np.bincount(dealt(loose(100, "train"))[0]).tolist() == [70, 10, 20]
    assert np.bincount(dealt(loose(100, "test"))[0]).tolist() == [70, 10, 20]


def test_a_source_without_validation_gives_some_of_its_train_rows():
    rows = loose(80, "train") + [(n, n, 0, "test") for n in range(81, 101)]
    splits, selection = dealt(rows)
    assert np.bincount(splits).tolist() == [72, 8, 20]
    assert set(splits[80:]) == {TEST}
    assert selection.kept.all()


def test_a_free_row_follows_the_held_out_row_that_it_repeats():
    rows = [(1, 1, 0, "test", 0), (2, 2, 0, "train", 0), (1, 9, 0, "", 1), *loose(20, "", 1)[4:]]
    splits, selection = dealt(rows)
    assert splits[2] == TEST
    assert selection.kept.all()


@pytest.mark.parametrize("own", ["", "train"])
def test_a_benchmarks_test_rows_are_test_rows_whatever_their_source_says(own):
    rows = [(n, n, 0, own, 0, n <= 10) for n in range(1, 51)]
    splits, _ = dealt(rows)
    assert set(splits[:10]) == {TEST}
    assert TEST not in splits[10:]
    assert (splits == VALIDATION).sum() == 4


def test_unsplit_is_no_split():
    assert UNSPLIT not in (TRAIN, VALIDATION, TEST)
