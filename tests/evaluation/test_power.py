"""What so many items could show."""

from __future__ import annotations

import pytest
from statsmodels.stats.power import NormalIndPower

from medft.evaluation.paired import items_needed, smallest_difference


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
