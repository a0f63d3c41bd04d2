"""Statistics against published examples and independent implementations."""

from __future__ import annotations

import random

import pytest

from medft.evaluation import statistics


def _pairs(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe 1998, two-sided intervals for the single proportion, method 3: 81 of 263 is 0.2553 to 0.3662
    estimate = statistics.share([True] * 81 + [False] * 182)
    assert (estimate.low, estimate.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


@pytest.mark.parametrize("hits", [0, 20])
def test_wilson_interval_stays_within_bounds(hits: int) -> None:
    estimate = statistics.share([True] * hits + [False] * (20 - hits))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.05


def test_newcombe_interval_of_a_published_example() -> None:
    # Newcombe 1998, paired proportions, 36/12/2/0: 0.2000, method 10: 0.0569 to 0.3404
    second, first = _pairs(36, 12, 2, 0)
    difference = statistics.compare_shares(first, second)
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.high) == (
        pytest.approx(0.0569, abs=5e-5),
        pytest.approx(0.3404, abs=5e-5),
    )


@pytest.mark.parametrize(("gained", "lost"), [(5, 1), (12, 2), (7, 7), (0, 0), (30, 11)])
def test_mcnemar_equals_statsmodels(gained: int, lost: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    first, second = _pairs(10, lost, gained, 10)
    expected = mcnemar([[10, lost], [gained, 10]], exact=True).pvalue
    assert statistics.compare_shares(first, second).p == pytest.approx(min(float(expected), 1.0))


def test_bootstrap_agrees_with_scipy() -> None:
    import numpy as np
    from scipy.stats import bootstrap

    rng = random.Random(3)
    values = [rng.gauss(0.4, 1.0) for _ in range(200)]
    ours = statistics.mean(values, seed=1)
    theirs = bootstrap((np.array(values),), np.mean, method="percentile", n_resamples=9_999, rng=2)
    assert ours.value == pytest.approx(np.mean(values))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_paired_bootstrap_agrees_with_scipy() -> None:
    import numpy as np
    from scipy.stats import bootstrap

    rng = np.random.default_rng(4)
    first, weights = rng.normal(2, 1, 150), rng.integers(1, 40, 150)
    second = first + rng.normal(0.1, 0.5, 150)

    def ratio(a, b, w, axis=-1):  # type: ignore[no-untyped-def]
        return ((b - a) * w).sum(axis) / w.sum(axis)

    ours = statistics.compare_means(list(first), list(second), list(weights), seed=1)
    theirs = bootstrap(
        (first, second, weights), ratio, paired=True, method="percentile", rng=2
    ).confidence_interval
    assert ours.value == pytest.approx(ratio(first, second, weights))
    assert (ours.low, ours.high) == (
        pytest.approx(theirs.low, abs=0.015),
        pytest.approx(theirs.high, abs=0.015),
    )


def test_a_weighted_mean_is_a_ratio_of_sums() -> None:
    nats, size = [3.0, 8.0, 2.0], [10.0, 20.0, 5.0]
    estimate = statistics.mean([a / b for a, b in zip(nats, size, strict=True)], size)
    assert estimate.value == pytest.approx(sum(nats) / sum(size))


def test_seed_repeats_the_interval() -> None:
    values = [0.1, 0.9, 0.4, 0.3]
    assert statistics.mean(values, seed=5) == statistics.mean(values, seed=5)
    assert statistics.mean(values, seed=5) != statistics.mean(values, seed=6)


@pytest.mark.parametrize(
    ("shift", "higher_is_better", "verdict"),
    [
        (0.5, True, "better"),
        (0.5, False, "worse"),
        (-0.5, False, "better"),
        (0.0, True, "no significant change"),
    ],
)
def test_verdict_of_paired_means(shift: float, higher_is_better: bool, verdict: str) -> None:
    rng = random.Random(1)
    first = [rng.random() for _ in range(100)]
    second = [value + shift + rng.uniform(-0.1, 0.1) for value in first]
    if shift == 0:
        second = [value + (0.1 if i % 2 else -0.1) for i, value in enumerate(first)]
    difference = statistics.compare_means(first, second, higher_is_better=higher_is_better)
    assert difference.verdict == verdict


def test_pairing_finds_what_unpaired_noise_would_hide() -> None:
    rng = random.Random(2)
    first = [rng.gauss(0, 10) for _ in range(50)]
    assert statistics.compare_means(first, [value + 0.1 for value in first]).verdict == "better"


def test_no_significant_change_is_said_in_words() -> None:
    first, second = _pairs(10, 2, 3, 5)
    said = statistics.in_words(statistics.compare_shares(first, second))
    assert said.startswith("no significant change (+0.050")
    first, second = _pairs(10, 1, 20, 5)
    assert statistics.in_words(statistics.compare_shares(first, second)).startswith("better by 0.528")
