"""Krippendorff's alpha against his own worked example."""

from __future__ import annotations

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
    low, high = agreement.interval(UNITS, 0) or (0, 0)
    assert 0.4 < low < 0.743 < high <= 1


def test_two_raters_without_missing_votes_by_hand() -> None:
    """Of 4 pairs 3 agree; 8 votes, 5 "a" and 3 "b": 1 - 7 * 2 / (2 * 5 * 3)."""
    assert agreement.alpha([["a", "a"], ["a", "a"], ["b", "b"], ["a", "b"]]) == pytest.approx(1 - 14 / 30)


def test_what_cannot_be_estimated_is_not() -> None:
    assert agreement.alpha([["a"], ["b"]]) is None
    assert agreement.alpha([["a", "a"], ["a", "a"]]) is None
    assert agreement.interval([["a"]], 0) is None
