"""False alarms and coverage in worlds whose truth is known: a small version of bench_statistics.py.

Seeds are fixed, so that a limit either holds or does not; 2,000 repetitions know a rate of .05 to .005.
"""

from __future__ import annotations

import pytest

from tests.benchmarks import bench_statistics as bench
from tests.benchmarks.statistics_worlds import NO_DIFFERENCE, ONE_SYSTEM

REPETITIONS = 2_000
FALSE_ALARMS, COVERAGE = 0.06, 0.93


@pytest.mark.parametrize("world", NO_DIFFERENCE)
@pytest.mark.parametrize("n", [5, 9, 40])
def test_means_that_do_not_differ_are_rarely_told_apart(world: str, n: int) -> None:
    assert bench.mean_alarms(world, n, REPETITIONS) <= FALSE_ALARMS


@pytest.mark.parametrize("n", [5, 9, 40])
def test_ratios_clusters_and_macro_f1_that_do_not_differ_are_rarely_told_apart(n: int) -> None:
    assert bench.ratio_alarms(n, REPETITIONS) <= FALSE_ALARMS
    assert bench.cluster_alarms(n, REPETITIONS) <= FALSE_ALARMS
    assert bench.macro_f1_alarms(n, REPETITIONS) <= FALSE_ALARMS


@pytest.mark.parametrize("n", [5, 8, 16, 27, 43, 50])
def test_proportions_that_do_not_differ_are_rarely_told_apart(n: int) -> None:
    """Whatever the share of items in which they differ, all of them among these."""
    assert bench.share_alarms(n, bench.SHARES).max() <= FALSE_ALARMS


@pytest.mark.parametrize("n", [20, 27, 100])
def test_intervals_of_proportions_hold_the_truth(n: int) -> None:
    assert bench.share_coverage(bench.clopper_pearson(n)) >= COVERAGE
    assert bench.paired_share_coverage(n) >= COVERAGE


@pytest.mark.parametrize("world", [name for name, each in ONE_SYSTEM.items() if each.promised])
@pytest.mark.parametrize("n", [20, 50])
def test_intervals_of_means_hold_the_truth(world: str, n: int) -> None:
    assert bench.mean_coverage(ONE_SYSTEM[world], n, REPETITIONS) >= COVERAGE


def test_a_test_that_cried_wolf_would_be_seen() -> None:
    """The percentile bootstrap that verdicts once came from, in the same world."""
    import numpy as np

    g = np.random.default_rng(0)
    first, second = NO_DIFFERENCE["normal"](g, (REPETITIONS, 5))
    draws = g.integers(0, 5, (999, 5))
    low, high = np.quantile((second - first)[:, draws].mean(-1), [0.025, 0.975], axis=1)
    assert ((low > 0) | (high < 0)).mean() > 2 * FALSE_ALARMS
