"""Duplicates, boilerplate, near duplicates and draws: what stays, and that the order of rows has no say."""

import numpy as np
import pytest

from medft.data.cleaning.keys import keys_of
from medft.data.cleaning.near_duplicates import Signatures
from medft.data.cleaning.select import (
    BOILERPLATE,
    DUPLICATE,
    NEAR_DUPLICATE,
    NOT_DRAWN,
    Index,
    seeded,
    select,
)
from medft.errors import ConfigError
from tests.data.support import dataset, qa, record


def select_from(rows, config, seed=1, sources=None):
    index, signatures = Index(), Signatures()
    for number, row in enumerate(rows):
        keys = keys_of(row)
        index.add(keys, sources[number] if sources else 0, "")
        signatures.add(keys.words)
    return select(index, config, seed, signatures)


def records(count, start=0):
    return [record(row["question"], row["answer"]) for row in qa(count, start)]


def mixture(weights=None, limit=None, limits=(None, None)):
    member = {"reader": "csv", "columns": {"question": "q", "answer": "a"}}
    sources = {n: {"name": n, "limit": top, **member} for n, top in zip("ab", limits, strict=True)}
    return dataset(None, columns={}, sources=sources, weights=weights or {}, limit=limit)


def test_one_of_each_exact_duplicate_stays():
    rows = records(3) + records(2) + [record(records(1)[0].question, "Another answer, so no duplicate.")]
    selection = select_from(rows, dataset())
    assert selection.reasons[DUPLICATE].sum() == 2
    assert selection.kept.sum() == 4


def test_boilerplate_is_capped_by_its_words():
    rows = [record(f"Question {n}?", "See your doctor" + "." * (n % 2)) for n in range(9)] + records(4)
    selection = select_from(rows, dataset())
    assert selection.reasons[BOILERPLATE].sum() == 4
    assert selection.kept[9:].all()
    assert select_from(rows, dataset(cleaning={"max_same_answer": None})).kept.all()


def test_refusals_may_share_one_answer():
    rows = [record(f"Where is town {n}?", "I cannot help with that.", task="refusal") for n in range(9)]
    assert select_from(rows, dataset()).kept.all()


def test_near_duplicates_are_dropped_but_for_one_when_asked():
    words = " ".join(f"w{i}" for i in range(60))
    rows = [record(f"q{n}?", f"{words} {n}") for n in range(4)] + records(3)
    dropped = select_from(rows, dataset(cleaning={"near_duplicates": "drop"})).reasons[NEAR_DUPLICATE]
    assert dropped.sum() == 3
    assert not dropped[4:].any()
    assert select_from(rows, dataset()).kept.all()


@pytest.mark.parametrize("limit", [1, 7, 20, 50])
def test_a_limit_draws_by_seed(limit):
    rows = records(20)
    one, other = (select_from(rows, dataset(limit=limit), seed).kept for seed in (1, 2))
    assert one.sum() == other.sum() == min(limit, 20)
    assert (one == other).all() == (limit >= 20)


def test_what_is_kept_does_not_depend_on_the_order_of_rows():
    rows = [record(f"q{n}?", "See your doctor.") for n in range(9)] + records(30) + records(4)
    order = np.random.default_rng(0).permutation(len(rows))
    config = dataset(limit=20)
    kept = select_from(rows, config).kept
    again = select_from([rows[i] for i in order], config).kept

    def contents(rows, kept):
        return sorted(row.question for row, stays in zip(rows, kept, strict=True) if stays)

    assert contents(rows, kept) == contents([rows[i] for i in order], again)


def test_members_are_drawn_by_weight_within_the_limit():
    sources = [0] * 60 + [1] * 40
    config = mixture({"a": 0.25, "b": 0.75}, limit=20)
    kept = select_from(records(100), config, sources=sources).kept
    assert [kept[:60].sum(), kept[60:].sum()] == [5, 15]


def test_weights_without_a_limit_take_as_many_rows_as_the_scarcest_member_allows():
    kept = select_from(records(100), mixture({"a": 0.5, "b": 0.5}), sources=[0] * 60 + [1] * 40).kept
    assert [kept[:60].sum(), kept[60:].sum()] == [40, 40]


def test_a_member_that_falls_short_is_noted():
    selection = select_from(records(30), mixture({"a": 0.5, "b": 0.5}, limit=40), sources=[0] * 25 + [1] * 5)
    assert [selection.kept[:25].sum(), selection.kept[25:].sum()] == [20, 5]
    assert selection.notes == ["b: 20 rows asked for, 5 there"]


def test_a_member_has_a_limit_of_its_own():
    selection = select_from(records(100), mixture(limits=(10, None)), sources=[0] * 60 + [1] * 40)
    assert [selection.kept[:60].sum(), selection.kept[60:].sum()] == [10, 40]
    assert selection.reasons[NOT_DRAWN].sum() == 50


@pytest.mark.parametrize(
    "weights", [{"a": 0.5, "b": 0.6}, {"a": 1.0}, {"a": 1.5, "b": -0.5}, {"a": 0.5, "c": 0.5}]
)
def test_weights_that_do_not_sum_or_name_an_unknown_source_are_refused(weights):
    with pytest.raises(ConfigError) as error:
        mixture(weights)
    assert "c" not in weights or "dataset.weights.c" in error.value.what


def test_seeding_is_a_bijection():
    values = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(seeded(values, 7))) == len(values)
