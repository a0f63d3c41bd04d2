"""Krippendorff's alpha against his own worked example."""

from __future__ import annotations

import numpy as np
import pytest

from medft.evaluation import agreement

BLANK = "."
RATERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Krippendorff 2011, section D: four observers, twelve units, missing votes."""
UNITS = [[vote for vote in unit if vote != BLANK] for unit in zip(*(r.split() for r in RATERS), strict=True)]


def test_the_worked_example() -> None:
    assert agreement.alpha(UNITS) == pytest.approx(0.743, abs=5e-4)
    low, high = agreement.interval([[unit] for unit in UNITS], 0) or (0, 0)
    assert 0.4 < low < 0.743 < high <= 1


def test_two_raters_without_missing_votes_by_hand() -> None:
    """Of 4 pairs 3 agree; 8 votes, 5 "a" and 3 "b": 1 - 7 * 2 / (2 * 5 * 3)."""
    assert agreement.alpha([["a", "a"], ["a", "a"], ["b", "b"], ["a", "b"]]) == pytest.approx(1 - 14 / 30)


def test_the_interval_is_that_of_a_bootstrap_of_clusters() -> None:
    """Each unit twice in a cluster adds nothing; as independent units they would."""
    rng = np.random.default_rng(0)
    units = [[str(vote) for vote in rng.choice(2, 2, p=[0.7, 0.3])] for _ in range(40)]
    units += [["1", "1"]] * 20
    single, twice = (
        agreement.interval([[u] for u in units], 0),
        agreement.interval([[u, u] for u in units], 0),
    )
    as_if = agreement.interval([[u] for u in units * 2], 0)
    assert single and twice and as_if
    draws = [agreement.alpha([units[i] for i in rng.integers(0, 60, 60)]) for _ in range(2_000)]
    assert single == pytest.approx(tuple(np.quantile(np.array(draws, float), [0.025, 0.975])), abs=0.04)
    assert twice == pytest.approx(single, abs=0.02)
    assert as_if[1] - as_if[0] < 0.85 * (twice[1] - twice[0])


def test_what_cannot_be_estimated_is_not() -> None:
    assert agreement.alpha([["a"], ["b"]]) is None
    assert agreement.alpha([["a", "a"], ["a", "a"]]) is None
    assert agreement.interval([[["a"]]], 0) is None
