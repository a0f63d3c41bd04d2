from __future__ import annotations

import math
import statistics

import pytest

from medft.report.comparison.seeds import compare_pairs, spread

A, B, C = [1.00, 1.02, 0.98, 1.01], [1.10, 1.14, 1.09], [1.01, 0.99, 1.03]


def test_spread_is_the_sample_standard_deviation() -> None:
    found = spread([1.0, None, 3.0])
    assert found is not None and (found.mean, found.n) == (2.0, 2)
    assert found.sd == pytest.approx(math.sqrt(2))
    single = spread([1.0])
    assert single is not None and single.sd is None
    assert spread([None]) is None


def test_welch_by_hand() -> None:
    [pair] = compare_pairs([A, B], [[0, 1]])
    errors = statistics.variance(A) / 4, statistics.variance(B) / 3
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 3 + errors[1] ** 2 / 2)
    from scipy.stats import t

    gap = statistics.fmean(B) - statistics.fmean(A)
    assert pair.gap == pytest.approx(gap)
    assert pair.p == pytest.approx(2 * t.sf(gap / math.sqrt(sum(errors)), freedom))
    half = t.ppf(0.975, freedom) * math.sqrt(sum(errors))
    assert pair.interval == (pytest.approx(gap - half), pytest.approx(gap + half))


def test_holm_multiplies_the_smallest_p_by_the_number_of_pairs() -> None:
    alone = {(0, 1): compare_pairs([A, B], [[0, 1]])[0].p, (0, 2): compare_pairs([A, C], [[0, 1]])[0].p,
             (1, 2): compare_pairs([B, C], [[0, 1]])[0].p}  # fmt: skip
    pairs = {(pair.first, pair.second): pair for pair in compare_pairs([A, B, C], [[0, 1, 2]])}
    smallest = min(alone, key=lambda key: alone[key])
    assert pairs[smallest].p == pytest.approx(3 * alone[smallest])
    assert pairs[0, 2].p == pytest.approx(alone[0, 2])
    assert pairs[0, 1].verdict == "differs"
    assert pairs[0, 2].verdict == "within the spread of the seeds"


def test_one_seed_takes_part_in_no_test_and_families_stay_apart() -> None:
    assert compare_pairs([A, [1.0]], [[0, 1]]) == []
    assert compare_pairs([A, B], [[0], [1]]) == []


def test_seeds_without_any_spread_prove_nothing() -> None:
    same, other = compare_pairs([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]], [[0, 1, 2]])[:2]
    assert (same.p, other.p) == (1.0, 1.0)
    assert other.gap == 1 and other.interval is None and not other.counts
