"""How often a difference is found where there is none, and how often an interval holds the truth.

The kernels of ``medft.evaluation`` themselves, on 5,000 draws of each world and number of items. Prints the
tables of docs/evaluation.md: ``python -m tests.benchmarks.bench_statistics``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from medft.evaluation import calibration, intervals, paired, statistics
from medft.evaluation.calibration import Belief
from medft.evaluation.statistics import OfItems
from medft.evaluation.units import Units
from tests.benchmarks.statistics_worlds import (
    NO_DIFFERENCE,
    ONE_SYSTEM,
    Floats,
    World,
    classes,
    macro_f1_values,
)

REPETITIONS = 5_000
ITEMS = (5, 6, 7, 8, 10, 12, 15, 20, 27, 35, 50, 75, 100, 150, 200, 350, 500)
COVERED = (20, 27, 35, 50, 100, 200, 500)
DRAWS = 999
SHOWN = 5
SHARES = np.array([0.05, 0.2, 0.5, 0.9, 1.0, *np.linspace(0.01, 0.99, 99)])
"""Of items in which two systems differ; the first ``SHOWN`` have a row of their own."""
BLOCK = 250  # repetitions at once


def alone(values: Floats, weights: Floats | None = None) -> Units:
    """Items that are independent."""
    w = np.ones_like(values) if weights is None else weights
    return Units(values * w, w)


def p_values(differences: Floats, weights: Floats | None = None, seed: int = 0) -> Floats:
    """The p-value of each repetition; differences are (repetitions, items)."""
    found = []
    for start in range(0, len(differences), BLOCK):
        rows = slice(start, start + BLOCK)
        units = alone(differences[rows], None if weights is None else weights[rows])
        found.append(paired.sign_flip(units, seed + start, DRAWS)[2])
    return np.concatenate(found)


def false_alarms(differences: Floats, weights: Floats | None = None, seed: int = 0) -> float:
    """The share of repetitions whose p is below 0.05."""
    return float((p_values(differences, weights, seed) < intervals.ALPHA).mean())


def mean_alarms(name: str, n: int, repetitions: int, seed: int = 0) -> float:
    """Type I error of paired means in a world without a difference."""
    first, second = NO_DIFFERENCE[name](np.random.default_rng(seed + n), (repetitions, n))
    return false_alarms(second - first, seed=seed)


def ratio_alarms(n: int, repetitions: int, seed: int = 0) -> float:
    """Type I error of a ratio of sums, whose weights differ as lengths of answers do."""
    g = np.random.default_rng(seed + n)
    weights = np.ceil(g.lognormal(4, 0.8, (repetitions, n)))
    first, second = NO_DIFFERENCE["normal"](g, (repetitions, n))
    return false_alarms((second - first) / np.sqrt(weights), weights, seed)


def cluster_alarms(clusters: int, repetitions: int, seed: int = 0) -> float:
    """Type I error of means of items in clusters of 1 to 8 that go up and down together."""
    g = np.random.default_rng(seed + clusters)
    sizes = g.integers(1, 9, (repetitions, clusters))
    together = g.normal(0, 1, (repetitions, clusters)) * sizes
    own = g.normal(0, 1, (repetitions, clusters)) * np.sqrt(sizes)
    found = 0
    for start in range(0, repetitions, BLOCK):
        rows = slice(start, start + BLOCK)
        units = Units((together + own)[rows], sizes[rows].astype(float))
        found += int((paired.sign_flip(units, seed + start, DRAWS)[2] < intervals.ALPHA).sum())
    return found / repetitions


def macro_f1_alarms(n: int, repetitions: int, right: float = 0.5, seed: int = 0) -> float:
    """Type I error of macro F1, through its jackknife values."""
    gold, first, second = classes(np.random.default_rng(seed + n), (repetitions, n), right)
    together = macro_f1_values(np.concatenate([gold, gold], 1), np.concatenate([first, second], 1))
    exact = p_values(together[:, n:] - together[:, :n], seed=seed)
    p = p_values(macro_f1_values(gold, second) - macro_f1_values(gold, first), seed=seed)
    return float((np.maximum(p, exact) < intervals.ALPHA).mean())


def belief_alarms(metric: Callable[[Sequence[Belief]], OfItems], n: int, repetitions: int) -> float:
    """Type I error of a metric of calibration, through its jackknife values; two systems that find the same
    items hard."""
    g, found = np.random.default_rng(n), 0
    for repetition in range(repetitions):
        hard = g.normal(0, 1, n)
        of = [metric(_believing(g, hard)) for _ in range(2)]
        first, second = (statistics.linear(each, [range(n)]) for each in of)
        found += statistics.compare_linear(first, second, n, repetition).p < intervals.ALPHA
    return found / repetitions


def _believing(g: np.random.Generator, hard: Floats) -> list[Belief]:
    sure = 1 / (1 + np.exp(-1.5 * np.abs(hard + g.normal(0, 1, len(hard)))))
    right = g.random(len(hard)) < 0.2 + 0.6 * sure
    return [Belief(float(p), bool(hit), 0.0) for p, hit in zip(sure, right, strict=True)]


def share_alarms(n: int, disagree: Floats) -> Floats:
    """Type I error of paired proportions, exactly: summed over all outcomes, for each share of items in which
    the systems differ."""
    differing = np.repeat(np.arange(n + 1), np.arange(1, n + 2))
    gained = np.concatenate([np.arange(k + 1.0) for k in range(n + 1)])
    p = paired.mcnemar_p(gained, differing - gained, n)
    alarms = binom.pmf(gained, differing, 0.5) * (p < intervals.ALPHA)
    chance = binom.pmf(np.arange(n + 1), n, np.asarray(disagree)[:, None])
    found: Floats = chance @ np.bincount(differing, alarms)
    return found


def mean_coverage(world: World, n: int, repetitions: int, seed: int = 0) -> float:
    """How often the interval of a mean holds it."""
    low, high = intervals.ratio(alone(world.draw(np.random.default_rng(seed + n), (repetitions, n))))
    return float(((low <= world.mean) & (world.mean <= high)).mean())


def difference_coverage(world: World, n: int, repetitions: int, seed: int = 0) -> float:
    """How often the interval of a paired difference holds it; the second system is better by the world."""
    draws = world.draw(np.random.default_rng(seed + n), (repetitions, n))
    held = 0
    for start in range(0, repetitions, BLOCK):
        low, high, _ = paired.sign_flip(alone(draws[start : start + BLOCK]), seed + start, DRAWS)
        held += int(((low <= world.mean) & (world.mean <= high)).sum())
    return held / repetitions


def clopper_pearson(n: int) -> Floats:
    """The ends of the product's interval of a proportion, for 0 to n hits."""
    return np.array([intervals.proportion(k, n, alone(np.zeros(n))) for k in range(n + 1)])


def wilson(n: int) -> Floats:
    """The ends of Wilson's interval, for comparison."""
    return np.stack(proportion_confint(np.arange(n + 1), n, alpha=intervals.ALPHA, method="wilson"), 1)


def share_coverage(ends: Floats) -> float:
    """The least coverage of an interval of proportions over all proportions from 0.001 to 0.999, exactly."""
    n = len(ends) - 1
    hits = np.arange(n + 1)
    true = np.linspace(0.001, 0.999, 999)[:, None]
    inside = (ends[:, 0] <= true) & (true <= ends[:, 1])
    return float((binom.pmf(hits, n, true) * inside).sum(1).min())


def paired_share_coverage(n: int) -> float:
    """The least coverage of the interval of paired proportions over a grid of truths, exactly."""
    gained, lost = (each.ravel() for each in np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0)))
    possible = gained + lost <= n
    gained, lost = gained[possible], lost[possible]
    low, high, _ = paired.mcnemar(gained, lost, n)
    least = 1.0
    for disagree in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8):
        for up in (0.5, 0.6, 0.75, 0.9, 0.97):
            chance = binom.pmf(gained + lost, n, disagree) * binom.pmf(gained, gained + lost, up)
            truth = disagree * (2 * up - 1)
            least = min(least, float(chance[(low <= truth + 1e-9) & (truth - 1e-9 <= high)].sum()))
    return least


def alarm_rows(repetitions: int = REPETITIONS) -> Iterator[tuple[str, list[float]]]:
    """Type I error by world, over ``ITEMS``."""
    for name in NO_DIFFERENCE:
        yield f"mean, {name}", [mean_alarms(name, n, repetitions) for n in ITEMS]
    yield "ratio of sums, log-normal weights", [ratio_alarms(n, repetitions) for n in ITEMS]
    yield "mean, clusters of 1 to 8 (so many clusters)", [cluster_alarms(n, repetitions) for n in ITEMS]
    for right in (0.2, 0.5, 0.85):
        yield f"macro F1, {right:.0%} right", [macro_f1_alarms(n, repetitions, right) for n in ITEMS]
    by_items = np.array([share_alarms(n, SHARES) for n in ITEMS])
    for column, disagree in list(enumerate(SHARES))[:SHOWN]:
        yield f"proportion, {disagree:.0%} of items differ", list(by_items[:, column])
    yield f"proportion, most over {len(SHARES)} truths", list(by_items.max(1))


def coverage_rows(repetitions: int = REPETITIONS) -> Iterator[tuple[str, list[float]]]:
    """Coverage by world, over ``COVERED``."""
    yield "proportion, least over all proportions", [share_coverage(clopper_pearson(n)) for n in COVERED]
    yield "the same with Wilson's interval (not used)", [share_coverage(wilson(n)) for n in COVERED]
    for name, world in ONE_SYSTEM.items():
        yield f"mean, {name}", [mean_coverage(world, n, repetitions) for n in COVERED]
    yield "paired proportions, least of 35 truths", [paired_share_coverage(n) for n in COVERED]
    for name, world in ONE_SYSTEM.items():
        yield f"paired difference, {name}", [difference_coverage(world, n, repetitions) for n in COVERED]


def table(head: str, items: tuple[int, ...], rows: Iterator[tuple[str, list[float]]]) -> str:
    """A table in Markdown."""
    lines = [f"| {head} | " + " | ".join(map(str, items)) + " |", "| --- |" + " ---: |" * len(items)]
    for name, row in rows:
        shown = (f"{value:.3f}"[1:] if value < 0.9995 else "1" for value in row)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    start = time.monotonic()
    print(table("share of false alarms at n items", ITEMS, alarm_rows()), end="\n\n", flush=True)
    for metric in (calibration.calibration_error, calibration.selective_accuracy):
        alarms = [belief_alarms(metric, n, 1_000) for n in (20, 27, 50)]
        print(f"{metric.__name__}, {alarms} at 20, 27 and 50 items, 1,000 repetitions\n", flush=True)
    most, n = max((float(share_alarms(n, SHARES).max()), n) for n in range(ITEMS[0], ITEMS[-1] + 1))
    print(
        f"Proportions, every n from {ITEMS[0]} to {ITEMS[-1]} and every truth: at most {most:.4f} (n = {n})\n"
    )
    print(table("coverage of 95% intervals at n items", COVERED, coverage_rows()), end="\n\n")
    print(f"{REPETITIONS:,} repetitions each, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
