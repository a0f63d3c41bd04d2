"""Values per item -> metrics with intervals, and differences between systems on the same items."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from medft.aliases import Json
from medft.evaluation import statistics
from medft.evaluation.metrics import MacroF1
from medft.evaluation.statistics import Difference, Interval, OfItems

Values = Mapping[str, Sequence[float]]
"""One value per item of each system, the same items in the same order."""


class Item(Protocol):
    """What a metric must know of an item beside its value; a ``Question`` has it."""

    @property
    def id(self) -> str:
        """Unique within the suite."""

    @property
    def cluster(self) -> str:
        """What it shares with other items, such as their document; empty for none."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric before it is summed up: its value of every item."""

    name: str
    """What is measured."""
    kind: Literal["share", "mean", "influence"]
    """share: yes or no per item; mean: a number per item; influence: what an item does to a metric that is no
    mean."""
    values: Values
    """The values of each system."""
    weights: Sequence[float] | None = None
    """Weights of the items, for a weighted mean."""
    higher_is_better: bool = True
    """Which way is up."""
    group: str = ""
    """The part of the suite."""
    items: Sequence[Item] = ()
    """The items of the values, in their order: clusters count as one, and other runs find the same items.
    Empty: items that are independent, and not compared between runs."""

    @property
    def clusters(self) -> list[str] | None:
        """The cluster of every item."""
        return [item.cluster for item in self.items] or None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of every system, and how the systems differ."""

    name: str
    """What is measured."""
    group: str
    """The part of the suite; empty for all of it."""
    higher_is_better: bool
    """Which way is up."""
    proportion: bool
    """Whether it is a share of the items."""
    systems: dict[str, Interval]
    """Value and interval of each system."""
    differences: dict[str, Difference] = field(default_factory=dict)
    """The paired differences, called "<second> - <first>"."""
    per_item: Measure | None = None
    """The values per item whose (weighted) means the systems' values are; None where items are not named."""

    def to_json(self) -> Json:
        """Plain values, those of the items left out."""
        written = asdict(replace(self, per_item=None))
        del written["per_item"]
        return written


def summarize(measure: Measure, seed: int) -> Metric:
    """Sum up a measure: an interval per system, a paired test per pair of systems."""
    systems = {name: _estimate(measure, values) for name, values in measure.values.items()}
    differences = {
        f"{second} - {first}": _compare(measure, measure.values[first], measure.values[second], seed)
        for first, second in itertools.combinations(measure.values, 2)
    }
    return _metric(measure, systems, differences)


def bounded(metric: Metric, low: float = 0.0, high: float = 1.0) -> Metric:
    """The metric with intervals that end where its values do; what lies beyond held no truth."""

    def cut(end: float | None, least: float, most: float) -> float | None:
        return end if end is None else min(max(end, least), most)

    systems = {
        name: replace(each, low=cut(each.low, low, high), high=cut(each.high, low, high))
        for name, each in metric.systems.items()
    }
    span = high - low
    differences = {
        pair: replace(each, low=cut(each.low, -span, span), high=cut(each.high, -span, span))
        for pair, each in metric.differences.items()
    }
    return replace(metric, systems=systems, differences=differences)


def perplexity(loss: Measure, seed: int) -> Metric:
    """exp of a loss in nats per token, and of the ends of its interval. Whether it differs, the test of the
    loss says: it is the same question, and is not asked twice."""
    found = summarize(loss, seed).systems
    return Metric("perplexity", loss.group, False, False, {name: _exp(each) for name, each in found.items()})


def statistic(
    name: str,
    of_items: Mapping[str, OfItems],
    strata: Sequence[Sequence[int]],
    seed: int,
    group: str = "",
    higher_is_better: bool = True,
    items: Sequence[Item] = (),
) -> Metric:
    """A metric that is no mean of items, such as macro F1, through its jackknife values.

    Args:
        name: what is measured.
        of_items: of each system, the metric over items by their indices (a numpy array).
        strata: indices of the items, in parts whose sizes are fixed, such as the tasks of a mean over tasks.
        seed: of the permutations.
        group: the part of the suite.
        higher_is_better: which way is up.
        items: as in ``Measure``, by index.
    """
    clusters = [item.cluster for item in items] or None
    parts = {system: statistics.linear(of, strata, clusters) for system, of in of_items.items()}
    n = sum(map(len, strata))
    differences = {}
    for first, second in itertools.combinations(parts, 2):
        one, other = of_items[first], of_items[second]
        exact = None
        if isinstance(one, MacroF1) and isinstance(other, MacroF1):
            exact = statistics.exchange(one.pooled(other), n, clusters)
        differences[f"{second} - {first}"] = statistics.compare_linear(
            parts[first], parts[second], n, seed, exact
        )
    order = list(itertools.chain(*strata))
    named = [items[index] for index in order] if items else []
    values = {system: [float(v) for v in part.per_item] for system, part in parts.items()}
    measure = Measure(name, "influence", values, None, higher_is_better, group, named)
    return _metric(measure, {s: statistics.estimate(part, n) for s, part in parts.items()}, differences)


def _metric(measure: Measure, systems: dict[str, Interval], differences: dict[str, Difference]) -> Metric:
    per_item = measure if measure.items else None
    share = measure.kind == "share"
    return Metric(
        measure.name, measure.group, measure.higher_is_better, share, systems, differences, per_item
    )


def _estimate(measure: Measure, values: Sequence[float]) -> Interval:
    if measure.kind == "share":
        return statistics.share([bool(value) for value in values], measure.clusters)
    return statistics.mean(values, measure.weights, measure.clusters)


def _compare(measure: Measure, first: Sequence[float], second: Sequence[float], seed: int) -> Difference:
    if measure.kind == "share":
        return statistics.compare_shares(list(map(bool, first)), list(map(bool, second)), measure.clusters)
    return statistics.compare_means(first, second, measure.weights, measure.clusters, seed=seed)


def _exp(loss: Interval) -> Interval:
    """exp, bounded where it would overflow a float."""
    ends = [end if end is None else math.exp(min(end, 700.0)) for end in (loss.low, loss.high)]
    return replace(loss, value=math.exp(min(loss.value, 700.0)), low=ends[0], high=ends[1])
