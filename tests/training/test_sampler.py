"""The order of rows that are grouped by length."""

from __future__ import annotations

import itertools

import pytest

from tests.benchmarks.medquad_lengths import grouped_ratio, medquad_lengths

PER_STEP = 8


def order(lengths: list[int], epoch: int = 0, seed: int = 1) -> list[int]:
    from medft.training.sampler import GroupedByLength

    sampler = GroupedByLength(lengths, PER_STEP, seed)
    sampler.set_epoch(epoch)
    assert len(sampler) == len(lengths)
    return list(sampler)


@pytest.mark.parametrize("count", [1, 7, 8, 100, 1603])
def test_every_row_comes_once_and_the_incomplete_step_last(count: int) -> None:
    lengths = medquad_lengths(2048)[:count]
    found = order(lengths)
    assert sorted(found) == list(range(count))
    steps = [found[i : i + PER_STEP] for i in range(0, count, PER_STEP)]
    assert all(len(step) == PER_STEP for step in steps[:-1])
    whole = steps[: count // PER_STEP]
    assert all(a <= b for step in whole for a, b in itertools.pairwise(lengths[i] for i in step))


def test_the_order_is_the_seeds_and_the_epochs() -> None:
    lengths = medquad_lengths(2048)[:400]
    assert order(lengths) == order(lengths)
    assert len({tuple(order(lengths, epoch, seed)) for epoch, seed in ((0, 1), (1, 1), (0, 5))}) == 3
    together = [{frozenset(o[i : i + PER_STEP]) for i in range(0, 400, PER_STEP)}
                for o in (order(lengths), order(lengths, epoch=1))]  # fmt: skip
    assert not together[0] & together[1], "the same rows meet in every epoch"


def test_long_and_short_steps_are_mixed() -> None:
    lengths = medquad_lengths(2048)
    found = order(lengths)
    tenths = [found[i : i + len(found) // 10] for i in range(0, len(found) - 9, len(found) // 10)]
    means = [sum(lengths[i] for i in tenth) / len(tenth) for tenth in tenths[:10]]
    assert max(means) < 1.25 * min(means)


@pytest.mark.parametrize(("rows", "most"), [(2, 1.005), (4, 1.01), (8, 1.02)])
def test_next_to_no_padding_on_the_lengths_of_medquad(rows: int, most: float) -> None:
    assert grouped_ratio(medquad_lengths(2048), rows, PER_STEP) < most


def test_rows_that_are_sorted_within_their_steps_meet_as_transformers_draws_them() -> None:
    from accelerate.data_loader import SeedableRandomSampler

    from medft.training.sampler import SortedSteps

    lengths = medquad_lengths(2048)[:100]
    sampler, drawn = SortedSteps(lengths, PER_STEP, seed=3), SeedableRandomSampler(lengths, data_seed=3)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        drawn.set_epoch(epoch)
        found, theirs = ([list(order)[i : i + PER_STEP] for i in range(0, 100, PER_STEP)]
                         for order in (sampler, drawn))  # fmt: skip
        assert [sorted(step) for step in found] == [sorted(step) for step in theirs]
        assert all(a <= b for step in found for a, b in itertools.pairwise(lengths[i] for i in step))
