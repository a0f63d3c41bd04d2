"""Values per item -> metrics with intervals, and differences between systems on the same items."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from medft.aliases import Json
from medft.evaluation import statistics
from medft.evaluation.statistics import Difference, Floats, Interval, OfItems

Values = Mapping[str, Sequence[float]]
"""One value per item of each system, the same items in the same order."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric before it is summed up: its value of every item."""

    name: str
    """What is measured."""
    kind: Literal["share", "mean"]
    """share: yes or no per item; mean: a number per item."""
    values: Values
    """The values of each system."""
    weights: Sequence[float] | None = None
    """Weights of the items, for a weighted mean."""
    higher_is_better: bool = True
    """Which way is up."""
    group: str = ""
    """The part of the suite."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of every system, and how the systems differ."""

    name: str
    """What is measured."""
    group: str
    """The part of the suite; empty for all of it."""
    higher_is_better: bool
    """Which way is up."""
    systems: dict[str, Interval]
    """Value and interval of each system."""
    differences: dict[str, Difference] = field(default_factory=dict)
    """The paired differences, called "<second> - <first>"."""

    def to_json(self) -> Json:
        """Plain values, with each difference also in words."""
        plain = asdict(self)
        for name, difference in self.differences.items():
            plain["differences"][name]["words"] = statistics.in_words(difference)
        return plain


def summarize(measure: Measure, seed: int) -> Metric:
    """Sum up a measure: an interval per system, a paired test per pair of systems."""
    systems = {name: _estimate(measure, values, seed) for name, values in measure.values.items()}
    differences = {
        f"{second} - {first}": _compare(measure, measure.values[first], measure.values[second], seed)
        for first, second in itertools.combinations(measure.values, 2)
    }
    return Metric(measure.name, measure.group, measure.higher_is_better, systems, differences)


def perplexity(loss: Measure, seed: int) -> Metric:
    """exp of a loss in nats per token, weighted by tokens; on the resamples of the loss, so that both tell
    the same."""
    import numpy as np

    weights = np.asarray(loss.weights, dtype=float)

    def of(nats: Floats) -> OfItems:
        return lambda rows: _exp(float((nats[rows] * weights[rows]).sum() / weights[rows].sum()))

    of_items = {system: of(np.asarray(values, dtype=float)) for system, values in loss.values.items()}
    return statistic("perplexity", of_items, [range(len(weights))], seed, loss.group, higher_is_better=False)


def statistic(
    name: str,
    of_items: Mapping[str, OfItems],
    strata: Sequence[Sequence[int]],
    seed: int,
    group: str = "",
    higher_is_better: bool = True,
) -> Metric:
    """A metric that is no mean of items, such as macro F1, with bootstrap intervals.

    Args:
        name: what is measured.
        of_items: of each system, the metric over items by their indices (a numpy array, repeats included).
        strata: indices of the items, in parts that are resampled each by itself.
        seed: of the resampling; the systems are compared on the same resamples.
        group: the part of the suite.
        higher_is_better: which way is up.
    """
    import numpy as np

    everything = np.concatenate([np.asarray(part) for part in strata])
    rng = np.random.default_rng(seed)
    draws = [
        np.concatenate([rng.choice(part, len(part)) for part in strata]) for _ in range(statistics.RESAMPLES)
    ]
    resampled = {system: np.array([of(rows) for rows in draws]) for system, of in of_items.items()}
    point = {system: of(everything) for system, of in of_items.items()}
    systems = {
        s: Interval(point[s], *statistics.percentiles(resampled[s]), len(everything)) for s in of_items
    }
    differences = {
        f"{second} - {first}": statistics.from_resamples(
            point[second] - point[first],
            resampled[second] - resampled[first],
            higher_is_better=higher_is_better,
        )
        for first, second in itertools.combinations(of_items, 2)
    }
    return Metric(name, group, higher_is_better, systems, differences)


def _estimate(measure: Measure, values: Sequence[float], seed: int) -> Interval:
    if measure.kind == "share":
        return statistics.share([bool(value) for value in values])
    return statistics.mean(values, measure.weights, seed=seed)


def _compare(measure: Measure, first: Sequence[float], second: Sequence[float], seed: int) -> Difference:
    up = measure.higher_is_better
    if measure.kind == "share":
        return statistics.compare_shares(
            [bool(v) for v in first], [bool(v) for v in second], higher_is_better=up
        )
    return statistics.compare_means(first, second, measure.weights, higher_is_better=up, seed=seed)


def _exp(nats: float) -> float:
    """exp, bounded where it would overflow a float."""
    return math.exp(min(nats, 700.0))
