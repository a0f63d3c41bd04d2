"""What so many items could show, against statsmodels and against counting."""

from __future__ import annotations

import itertools

import pytest
from statsmodels.stats.power import NormalIndPower

from medft.evaluation.paired import fewest_items, items_needed, smallest_difference


@pytest.mark.parametrize(("items", "spread", "tests"), [(50, 1.0, 1), (500, 0.5, 6), (12, 0.03, 3)])
def test_the_smallest_difference_has_power_four_of_five(items: int, spread: float, tests: int) -> None:
    found = smallest_difference(items, spread, tests)
    power = NormalIndPower(ddof=0).power(
        found / spread, items, 0.05 / tests, ratio=0, alternative="two-sided"
    )
    assert power == pytest.approx(0.8, abs=1e-4)


def test_it_is_the_inverse_of_the_items_that_are_needed() -> None:
    found = smallest_difference(200, 0.4)
    assert items_needed(found, 0.4 / 80**0.5, 80) in (200, 201)


@pytest.mark.parametrize("tests", [1, 3, 10])
def test_fewer_items_can_never_count(tests: int) -> None:
    def extreme(items: int) -> float:
        """Two-sided p of differences that all have one sign, over every assignment of signs."""
        sums = [sum(signs) for signs in itertools.product((-1, 1), repeat=items)]
        return sum(abs(each) >= items for each in sums) / len(sums)

    fewest = fewest_items(tests)
    assert extreme(fewest) < 0.05 / tests <= extreme(fewest - 1)
