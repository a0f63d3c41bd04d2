"""A metric of a cell over its seeds: the mean, its interval over items, and the spread of the seeds."""

from __future__ import annotations

from dataclasses import dataclass

from medft.evaluation import statistics
from medft.evaluation.between import Contender, Place
from medft.report.comparison.seeds import spread
from medft.report.verdicts import interval
from medft.runs.values import mapping, number
from medft.study.writing.arms import values


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its two kinds of uncertainty."""

    value: float
    """Mean over the seeds."""
    low: float | None
    """Lower end of the 95% interval over items, items' scores averaged over seeds; None: not estimable."""
    high: float | None
    """Upper end."""
    sd: float | None
    """Sample standard deviation over seeds; None for a single one."""
    seeds: int
    """Runs that have the metric."""
    items: int
    """Items that all of them were asked; 0 where the metric has none."""

    @property
    def words(self) -> str:
        """``0.812 [0.801, 0.823]``."""
        return interval(self.value, self.low, self.high)


def estimate(contender: Contender, place: Place) -> Estimate | None:
    """The metric of a model; None where none of its runs has it."""
    found = spread(values(contender, place))
    if found is None:
        return None
    low, high, items = _over_items(contender, place)
    return Estimate(found.mean, low, high, found.sd, found.n, items)


def _over_items(contender: Contender, place: Place) -> tuple[float | None, float | None, int]:
    metrics = contender.figures[place]
    if len(metrics) == 1:
        only = mapping(mapping(metrics[0], "systems"), contender.system)
        return number(only, "low"), number(only, "high"), round(number(only, "n") or 0)
    scored = list(contender.items.get(place, {}).values())
    if not scored:
        return None, None, 0
    over = statistics.mean(
        [each.value for each in scored], [each.weight for each in scored], [each.cluster for each in scored]
    )
    return over.low, over.high, over.n
