"""Draws by limits and weights: how many rows of each member stay, and which, by seed."""

import numpy as np
import pytest

from medft.data.cleaning.draw import NOT_DRAWN, seeded
from medft.errors import ConfigError
from tests.data.support import dataset, records, select_from


def mixture(weights=None, limit=None, limits=(None, None)):
    member = {"reader": "csv", "columns": {"question": "q", "answer": "a"}}
    sources = {n: {"name": n, "limit": top, **member} for n, top in zip("ab", limits, strict=True)}
    return dataset(None, columns={}, sources=sources, weights=weights or {}, limit=limit)


@pytest.mark.parametrize("limit", [1, 7, 20, 50])
def test_a_limit_draws_by_seed(limit):
    rows = records(20)
    one, other = (select_from(rows, dataset(limit=limit), seed).kept for seed in (1, 2))
    assert one.sum() == other.sum() == min(limit, 20)
    assert (one == other).all() == (limit >= 20)


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
    assert selection.notes == ["b: 20 rows requested, 5 available"]


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
