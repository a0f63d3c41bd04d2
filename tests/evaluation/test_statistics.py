"""Statistics against published examples and independent implementations."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar

from medft.evaluation import intervals, metrics, paired, statistics
from medft.evaluation.measures import Measure, bounded, summarize
from medft.evaluation.units import gather

RNG = np.random.default_rng(11)


def _pairs(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


@pytest.mark.parametrize(("hits", "n"), [(81, 263), (0, 20), (20, 20), (1, 5)])
def test_a_proportion_has_the_exact_interval(hits: int, n: int) -> None:
    found = statistics.share([True] * hits + [False] * (n - hits))
    exact = stats.binomtest(hits, n).proportion_ci(method="exact")
    assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert found.high - found.low > 0.05 and found.low <= found.value <= found.high  # type: ignore[operator]


def test_a_proportion_of_clusters_is_that_of_fewer_items() -> None:
    hits = [True, False, True] * 20
    copied = [hit for hit in hits for _ in range(4)]  # each item four times over: no new information
    clusters = [str(index // 4) for index in range(len(copied))]
    alone, copies, naive = (
        statistics.share(hits), statistics.share(copied, clusters), statistics.share(copied),
    )  # fmt: skip
    assert copies.units == 60 and copies.n == 240
    assert copies.low == pytest.approx(alone.low, abs=0.006)
    assert naive.low is not None and copies.low is not None and naive.low > copies.low + 0.05
    same = statistics.share([True] * 40, [str(index // 2) for index in range(40)])
    assert same.low == pytest.approx(statistics.share([True] * 20).low)


def test_a_mean_of_symmetric_values_has_students_interval() -> None:
    values = [*RNG.normal(0.4, 1.0, 50)]
    values += [2 * float(np.mean(values)) - value for value in values]  # no skewness at all
    found = statistics.mean(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == (
        pytest.approx(expected.low, abs=2e-4),
        pytest.approx(expected.high, abs=2e-4),
    )
    assert not found.skewed


def test_a_skewed_mean_has_the_interval_of_halls_transformation() -> None:
    values = RNG.beta(0.5, 3, 40)
    a, n = float(stats.skew(values)) / math.sqrt(40), 40
    error = float(np.std(values, ddof=1)) / math.sqrt(n)

    def transformed(mu: float) -> float:
        t = (float(np.mean(values)) - mu) / error
        return t + a * (t * t / 3 + 1 / 6) + a * a * t**3 / 27

    quantile, far = stats.t.ppf(0.975, n - 1), 12 * error
    low = brentq(lambda mu: transformed(mu) - quantile, values.mean() - far, values.mean())
    high = brentq(lambda mu: transformed(mu) + quantile, values.mean(), values.mean() + far)
    found = statistics.mean(list(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_weighted_mean_is_a_ratio_of_sums_with_the_error_of_one() -> None:
    size = RNG.integers(5, 60, 80).astype(float)
    nats = size * RNG.normal(2, 0.4, 80)
    found = statistics.mean(list(nats / size), list(size))
    assert found.value == pytest.approx(nats.sum() / size.sum())
    draws = RNG.integers(0, 80, (20_000, 80))
    boot = nats[draws].sum(1) / size[draws].sum(1)
    error = (found.high - found.low) / 2 / stats.t.ppf(0.975, 79)  # type: ignore[operator]
    assert error == pytest.approx(boot.std(), rel=0.05)


def test_values_without_spread_have_no_interval() -> None:
    assert statistics.mean([0.1] * 30).low is None
    assert statistics.mean([0.3]).high is None
    nothing = statistics.compare_means([0.2, 0.4] * 30, [0.2, 0.4] * 30)
    assert (nothing.value, nothing.low, nothing.high, nothing.p) == (0, None, None, 1)
    assert statistics.compare_means([0.0] * 30, [0.1] * 30).low is None


def test_intervals_end_where_values_do() -> None:
    found = summarize(Measure("F1", "mean", {"base": [0.0, 0.9] * 4, "tuned": [0.9, 1.0] * 4}), 0)
    base, tuned = (replace(each, low=-0.1, high=1.2) for each in found.systems.values())
    wide = replace(found.differences["tuned - base"], low=-1.3, high=None)
    cut = bounded(replace(found, systems={"base": base, "tuned": tuned}, differences={"d": wide}))
    assert {(each.low, each.high) for each in cut.systems.values()} == {(0.0, 1.0)}
    assert (cut.differences["d"].low, cut.differences["d"].high) == (-1.0, None)
    assert bounded(found) == found


def test_the_sign_flip_test_equals_scipys() -> None:
    first, weights = RNG.gamma(2, 1, 14), RNG.integers(1, 9, 14).astype(float)
    second = first + RNG.normal(0.35, 0.5, 14)
    units = gather(second - first, weights, None)
    exact = stats.permutation_test(
        (weights * second, weights * first), lambda b, a, axis: (b - a).sum(axis=axis) / weights.sum(),
        permutation_type="samples", n_resamples=20_000, vectorized=True,
    )  # fmt: skip
    low, high, p = paired.sign_flip(units, 0, 99_999)
    assert 0.005 < exact.pvalue < 0.2
    assert p == pytest.approx(max(exact.pvalue, _ratio_p(units.numerator, weights)), rel=0.05)
    assert low < units.ratio < high


def test_sums_that_are_equal_but_for_rounding_are_equal() -> None:
    """Of thirds and tenths: many subsets sum to 0, and floating point must not take them for more."""
    differences = [0.1, -0.3, 0.2, 0.1, 0.1, -0.1, 0.3, -0.2, 0.1, 0.2, -0.1, 0.1, 1 / 3, -1 / 3]
    exact = stats.permutation_test(
        (np.array(differences),), lambda d, axis: d.sum(axis=axis),
        permutation_type="samples", n_resamples=20_000, vectorized=True,
    )  # fmt: skip
    p = paired.sign_flip(gather(differences, None, None), 0, 99_999)[2]
    assert p == pytest.approx(exact.pvalue, rel=0.03)


def _ratio_p(numerator: np.ndarray, weights: np.ndarray) -> float:
    """The t-test of a ratio by the delta method, leverage, skewness and all, written out."""
    total = weights.sum()
    ratio = numerator.sum() / total
    parts = [(n - ratio * w) / math.sqrt(1 - w / total) for n, w in zip(numerator, weights, strict=True)]
    t, a = numerator.sum() / math.sqrt(sum(p * p for p in parts)), stats.skew(parts) / math.sqrt(len(parts))
    return float(2 * stats.t.sf(abs(t + a * (t * t / 3 + 1 / 6) + a * a * t**3 / 27), len(parts) - 1))


def test_the_interval_of_a_difference_is_where_its_test_no_longer_rejects() -> None:
    first = RNG.beta(2, 5, 25)
    second = first + RNG.normal(0.05, 0.15, 25)
    found = statistics.compare_means(list(first), list(second))
    assert found.low is not None and found.high is not None
    for end in (found.low, found.high):
        p = [statistics.compare_means(list(first), list(second - end + shift)).p for shift in (-0.004, 0.004)]
        assert min(p) < 0.05 < max(p), (end, p)


@pytest.mark.parametrize("n", [6, 9, 20, 60])
def test_interval_and_test_of_a_difference_never_contradict_each_other(n: int) -> None:
    for seed in range(150):
        rng = np.random.default_rng(seed)
        d = rng.choice([-1.0, 0.0, 0.5, 1.0], n) if seed % 2 else rng.normal(0.3, 0.6, n)
        found = statistics.compare_means([0.0] * n, list(d), seed=seed)
        if found.low is not None and found.high is not None:
            assert (found.low > 0 or found.high < 0) == (found.p < 0.05), (d, found)
            assert found.low < found.high


def test_clusters_are_flipped_together() -> None:
    d = RNG.normal(0.2, 0.5, 30)
    copied, clusters = np.repeat(d, 5), [str(index // 5) for index in range(150)]
    alone = statistics.compare_means([0.0] * 30, list(d))
    copies = statistics.compare_means([0.0] * 150, list(copied), clusters=clusters)
    naive = statistics.compare_means([0.0] * 150, list(copied))
    assert (copies.p, copies.units) == (pytest.approx(alone.p), 30)
    assert naive.p < copies.p / 2
    hits = [value > 0 for value in copied]
    assert statistics.compare_shares([False] * 150, hits, clusters).units == 30


def test_mid_p_mcnemar_is_half_the_last_term_less_than_the_exact_test() -> None:
    for gained, lost in ((5, 1), (12, 2), (7, 7), (0, 0), (30, 11), (0, 6)):
        first, second = _pairs(10, lost, gained, 10)
        exact = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        term = math.comb(gained + lost, gained) / 2 ** (gained + lost)
        expected = 1.0 if gained == lost else exact - term
        assert statistics.compare_shares(first, second).p == pytest.approx(expected)


def test_where_nearly_all_items_differ_the_exact_test_takes_its_place() -> None:
    first, second = _pairs(8, 10, 22, 0)
    found = statistics.compare_shares(first, second)  # 32 of 40 differ
    assert found.p == pytest.approx(mcnemar([[8, 10], [22, 0]], exact=True).pvalue)
    assert found.test == "McNemar, exact"
    assert statistics.compare_shares(*_pairs(10, 8, 21, 1)).test == "McNemar, mid-p"  # 29 of 40


def test_the_interval_of_paired_proportions_inverts_the_score_test() -> None:
    for gained, lost, n in ((14, 5, 60), (9, 0, 30), (1, 2, 44)):
        first, second = _pairs(n - gained - lost, lost, gained, 0)
        found = statistics.compare_shares(first, second)
        for end in (found.low, found.high):
            assert end is not None
            assert _score(gained, lost, n, end) == pytest.approx(1.96, abs=0.002)


def _score(gained: int, lost: int, n: int, delta: float) -> float:
    """Tango's statistic with the constrained likelihood maximised numerically."""

    def minus(share: float) -> float:
        cells = [(gained, share + delta), (lost, share), (n - gained - lost, 1 - 2 * share - delta)]
        return -sum(k * math.log(max(p, 1e-12)) for k, p in cells)

    bounds = (max(0.0, -delta), (1 - delta) / 2)
    share = float(minimize_scalar(minus, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
    return abs(gained - lost - n * delta) / math.sqrt(n * (2 * share + delta * (1 - delta)))


@pytest.mark.parametrize("n", [20, 27, 44])
def test_mcnemars_interval_and_test_never_contradict_each_other(n: int) -> None:
    cells = [(b, c) for b, c in itertools.product(range(n + 1), repeat=2) if b + c <= n]
    gained, lost = np.array(cells, float).T
    low, high, p = paired.mcnemar(gained, lost, n)
    assert (((low > 0) | (high < 0)) == (p < 0.05)).all()
    assert (high - low > 0.01).all()


def test_values_per_item_give_the_figure_and_the_error_of_strata_and_clusters() -> None:
    """As other runs are compared on them: a mean of two tasks of 60 and 15 items, in clusters of 1 to 4."""
    rng = np.random.default_rng(2)
    scores, rows = rng.random((2, 75)), [range(60), range(60, 75)]
    scores[1] += 0.1 * rng.random(75)
    clusters = [str(row) for row in range(75)]
    for row in range(0, 60, 6):  # clusters within a task, of uneven sizes
        clusters[row + 1] = clusters[row]
        clusters[row + 3] = clusters[row + 4] = clusters[row + 5] = clusters[row + 2]
    of = [lambda chosen, s=s: np.mean([s[chosen[chosen < 60]].mean(), s[chosen[chosen >= 60]].mean()])
          for s in scores]  # fmt: skip
    first, second = (statistics.linear(each, rows, clusters) for each in of)
    assert second.per_item.mean() == pytest.approx(of[1](np.arange(75)))
    whole = statistics.compare_linear(first, second, 75, 0)
    between = statistics.compare_means(list(first.per_item), list(second.per_item), None, clusters)
    assert between.value == pytest.approx(whole.value) and between.units == whole.units
    assert between.p == pytest.approx(whole.p, rel=0.15)
    assert between.high - between.low == pytest.approx(whole.high - whole.low, rel=0.1)  # type: ignore[operator]


def test_macro_f1_has_the_error_that_a_bootstrap_finds() -> None:
    labels = ["yes", "no", "maybe"]
    gold = RNG.choice(labels, 150, p=[0.55, 0.33, 0.12])
    guesses = [list(np.where(RNG.random(150) < right, gold, RNG.choice(labels, 150))) for right in (0.4, 0.6)]
    of = [metrics.MacroF1(list(gold), each, labels) for each in guesses]
    parts = [statistics.linear(each, [range(150)]) for each in of]
    found = statistics.compare_linear(parts[0], parts[1], 150, 0)
    draws = RNG.integers(0, 150, (2_000, 150))
    boot = np.array([of[1](rows) - of[0](rows) for rows in draws])
    error = math.sqrt(float((statistics.linear(of[1], [range(150)]).units.residuals() ** 2).sum()))
    assert found.value == pytest.approx(of[1](np.arange(150)) - of[0](np.arange(150)))
    assert error == pytest.approx(np.array([of[1](rows) for rows in draws]).std(), rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.98 * boot.std(), rel=0.15)  # type: ignore[operator]
    assert float(parts[0].per_item.mean()) == pytest.approx(of[0](np.arange(150)))


def test_a_mean_over_strata_has_the_error_of_its_strata() -> None:
    values = np.concatenate([RNG.normal(0.2, 0.1, 40), RNG.normal(0.9, 0.1, 10)])
    strata = [range(40), range(40, 50)]
    found = statistics.linear(
        lambda r: float(values[r[r < 40]].mean() + values[r[r >= 40]].mean()) / 2, strata
    )
    variance = (values[:40].var(ddof=1) / 40 + values[40:].var(ddof=1) / 10) / 4
    assert float(found.units.ratio) == pytest.approx((values[:40].mean() + values[40:].mean()) / 2)
    assert float((found.units.residuals() ** 2).sum()) == pytest.approx(variance)


def test_items_needed_are_those_of_a_power_of_four_fifths() -> None:
    needed = paired.items_needed(0.05, 0.03, 100)
    assert needed == math.ceil((1.959964 + 0.841621) ** 2 * 0.3**2 / 0.05**2)
    rng = np.random.default_rng(0)
    samples = rng.normal(0.05, 0.3, (4_000, needed or 0))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.025)
    assert paired.items_needed(0.0, 0.03, 100) is None


def test_very_skewed_values_are_said_to_be_so() -> None:
    assert statistics.mean([0.0] * 39 + [1.0]).skewed
    assert not statistics.mean(list(RNG.beta(1.2, 6, 40))).skewed
    assert intervals.is_skewed(np.array([0.0] * 39 + [5.0]))


def test_pairing_finds_what_unpaired_noise_would_hide() -> None:
    rng = random.Random(2)
    first = [rng.gauss(0, 10) for _ in range(50)]
    found = statistics.compare_means(first, [value + 0.1 + rng.gauss(0, 0.1) for value in first])
    assert found.p < 0.001 and found.low is not None and found.low > 0
