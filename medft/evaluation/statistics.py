"""Uncertainty of metrics: a figure with its interval, and a paired difference with its test and interval.

What each of them promises, and what simulations found of it, stands in docs/evaluation.md. Whether a
difference counts is said where all metrics of a report are known: ``medft.report.verdicts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from medft.evaluation import intervals, paired
from medft.evaluation.units import Floats, Rows, Units, gather, members
from medft.report.verdicts import ALPHA

OfItems: TypeAlias = "Callable[[Rows], float]"
"""A metric as a function of the indices of the items that count."""
JACKKNIFE = f"{paired.SIGN_FLIP} of jackknife values"


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95% interval."""

    value: float
    """The value itself."""
    low: float | None
    """Lower end of the interval; None where it cannot be estimated: values without spread."""
    high: float | None
    """Upper end."""
    n: int
    """Number of items."""
    units: int
    """Independent units among them: items, or clusters of items."""
    skewed: bool = False
    """Whether the values are so skewed, for their number, that the interval may cover less than 95%."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How one system differs from another on the same items."""

    value: float
    """Second minus first."""
    low: float | None
    """Lower end of the 95% interval; it leaves out 0 exactly where p < 0.05. None: cannot be estimated."""
    high: float | None
    """Upper end."""
    p: float
    """Two-sided p-value of the paired test, of this metric by itself."""
    test: str
    """The test by name."""
    units: int
    """Independent units."""
    needed: int | None
    """Items that would show a difference of this size with power 0.8; None for no difference."""
    skewed: bool = False
    """As of an interval."""


def share(hits: Sequence[bool], clusters: Sequence[str] | None = None) -> Interval:
    """A proportion with its exact interval (``intervals.proportion``)."""
    units = gather([float(hit) for hit in hits], None, clusters)
    low, high = intervals.proportion(sum(hits), len(hits), units)
    return Interval(sum(hits) / len(hits), low, high, len(hits), units.count)


def mean(
    values: Sequence[float], weights: Sequence[float] | None = None, clusters: Sequence[str] | None = None
) -> Interval:
    """A (weighted) mean with its interval (``intervals.ratio``).

    With weights it is a ratio of sums, such as nats over bytes: value = nats / bytes, weight = bytes.
    """
    return _interval(gather(values, weights, clusters), len(values))


def compare_shares(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[str] | None = None
) -> Difference:
    """Paired proportions: McNemar's test and Tango's interval (``paired.mcnemar``); where items form
    clusters, the test of paired means, whose units are the clusters."""
    import numpy as np

    differences = [float(b) - float(a) for a, b in zip(first, second, strict=True)]
    units, n = gather(differences, None, clusters), len(differences)
    if units.count < n:
        return _difference(units, n, 0, paired.SIGN_FLIP)
    gained, lost = differences.count(1.0), differences.count(-1.0)
    low, high, p = (float(each) for each in paired.mcnemar(np.array(gained), np.array(lost), n))
    value, exact = (gained - lost) / n, gained + lost >= paired.NEARLY_ALL * n
    test = paired.MCNEMAR_EXACT if exact else paired.MCNEMAR
    return Difference(value, low, high, p, test, n, _needed(value, units, n))


def compare_means(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float] | None = None,
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Difference:
    """Paired (weighted) means: a sign-flip permutation test and a t-test, both of which must reject, and the
    interval of both (``paired.sign_flip``); ``seed`` draws the permutations."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    return _difference(gather(differences, weights, clusters), len(differences), seed, paired.SIGN_FLIP)


@dataclass(frozen=True, slots=True)
class Linear:
    """A metric of any kind as a mean of one value per unit, by the jackknife."""

    units: Units
    """The values; their mean is the metric, their spread its error."""
    per_item: Floats
    """The same per item, in the order of the strata, for a plain mean of items in their clusters: it is the
    metric, and its spread the same error."""


def linear(of: OfItems, strata: Sequence[Sequence[int]], clusters: Sequence[str] | None = None) -> Linear:
    """The parts of a metric that is no mean of items, such as macro F1: how it changes without each unit in
    turn, within strata of fixed size (the jackknife; Efron & Tibshirani 1993, chapter 11)."""
    import numpy as np

    rows = np.concatenate([np.asarray(part, dtype=np.intp) for part in strata])
    stratum = np.repeat(np.arange(len(strata)), [len(part) for part in strata])
    known = members(clusters, int(rows.max()) + 1)[rows]
    first, unit = np.unique(np.stack([stratum, known]), axis=1, return_inverse=True)
    own, sizes = first[0], np.bincount(first[0])
    without = np.array([of(rows[unit != each]) for each in range(len(own))])
    center = np.bincount(own, without) / sizes
    value = of(rows)
    change = (sizes[own] - 1) * (center[own] - without)
    size, weights = sizes[own], 1 / sizes[own] / len(sizes)
    within = np.sqrt(size / np.maximum(size - 1, 1) * (1 - weights))  # leverage is that within the stratum
    units = Units(value * weights + change * within / size, weights)
    items = len(rows) * change / size / np.bincount(unit)
    return Linear(units, (value + items)[unit])


def estimate(found: Linear, items: int) -> Interval:
    """The interval of a metric in ``linear`` form."""
    return _interval(found.units, items)


def compare_linear(
    first: Linear, second: Linear, items: int, seed: int, exact: Units | None = None
) -> Difference:
    """The difference of a metric in ``linear`` form.

    Args:
        first, second: the two systems. items: how many. seed: of the permutations.
        exact: see ``exchange``; the change must then be significant by that test, too.
    """
    import numpy as np

    units = Units(second.units.numerator - first.units.numerator, first.units.denominator)
    found = _difference(units, items, seed, JACKKNIFE)
    if exact is None or (p := float(paired.sign_flip(exact, seed)[2])) <= found.p:
        return found
    if p < ALPHA or found.low is None or found.high is None:
        return replace(found, p=p)
    return replace(found, p=p, low=float(np.minimum(found.low, 0)), high=float(np.maximum(found.high, 0)))


def exchange(pooled: OfItems, items: int, clusters: Sequence[str] | None = None) -> Units:
    """What a metric's linear form at both systems' answers together says of each item's two answers. It stays
    as it is when the systems exchange answers, so that flipping signs is an exact test (approximate
    randomization: Noreen 1989; Yeh, COLING 2000), which the jackknife values of few items do not give.

    Args:
        pooled: the metric over the first system's items and then the second's. items: of one system.
    """
    import numpy as np

    everything = np.arange(2 * items)
    without = np.array([pooled(np.delete(everything, index)) for index in everything])
    change = (2 * items - 1) * (without.mean() - without)
    return gather(change[items:] - change[:items], None, clusters)


def _interval(units: Units, items: int) -> Interval:
    low, high = intervals.ratio(units)
    skewed = intervals.is_skewed(units.residuals())
    return Interval(float(units.ratio), _known(low), _known(high), items, units.count, skewed)


def _difference(units: Units, items: int, seed: int, test: str) -> Difference:
    low, high, p = paired.sign_flip(units, seed)
    value = float(units.ratio)
    skewed, needed = intervals.is_skewed(units.residuals()), _needed(value, units, items)
    return Difference(value, _known(low), _known(high), float(p), test, units.count, needed, skewed)


def _needed(value: float, units: Units, items: int) -> int | None:
    return paired.items_needed(value, float((units.residuals() ** 2).sum() ** 0.5), items)


def _known(end: Floats) -> float | None:
    import math

    return None if math.isnan(float(end)) else float(end)
