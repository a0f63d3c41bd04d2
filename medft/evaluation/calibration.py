"""Calibration of a model's probabilities: Brier score, expected calibration error, and selective accuracy.
The probability of a candidate is the softmax of the candidates' log-likelihoods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.aliases import Json
from medft.evaluation.measures import Item, Measure, Metric, bounded, statistic, summarize
from medft.evaluation.statistics import OfItems
from medft.evaluation.units import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

BINS = 10
"""Equal bins of confidence, of the calibration error and of the reliability diagram."""
CHANCES = 1_000
"""Draws behind the calibration error that chance alone gives."""
COVERAGE = 0.5
"""The share of the items, the surest ones, whose accuracy is told."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What a system's probabilities say of one item."""

    confidence: float
    """The probability of the most probable candidate."""
    hit: bool
    """Whether that candidate is the right one."""
    brier: float
    """Sum over the candidates of (probability - truth)^2 (Brier 1950): 0 is best, 2 worst."""


def belief(nats: Sequence[float], gold: int) -> Belief:
    """From the negative log-likelihood of every candidate, in nats, and the index of the right one; of equals
    the first is the most probable."""
    import numpy as np

    scores = np.exp(min(nats) - np.asarray(nats, dtype=float))
    p = scores / scores.sum()
    truth = np.eye(len(nats))[gold]
    best = int(np.argmax(p))
    return Belief(float(p[best]), best == gold, float(((p - truth) ** 2).sum()))


def metrics(
    beliefs: Mapping[str, Sequence[Belief]], items: Sequence[Item], seed: int, group: str = ""
) -> Iterator[Metric]:
    """Brier score, expected calibration error and selective accuracy of every system on the same items."""
    rows = [range(len(items))]
    brier = {system: [each.brier for each in of] for system, of in beliefs.items()}
    yield bounded(summarize(Measure("Brier score", "mean", brier, None, False, group, items), seed), high=2.0)
    errors = {system: calibration_error(of) for system, of in beliefs.items()}
    yield bounded(statistic("calibration error (ECE)", errors, rows, seed, group, False, items))
    surest = {system: selective_accuracy(of) for system, of in beliefs.items()}
    name = f"accuracy of the surest {COVERAGE:.0%}"
    yield bounded(statistic(name, surest, rows, seed, group, items=items))


def calibration_error(beliefs: Sequence[Belief]) -> OfItems:
    """Expected calibration error (Guo et al. 2017, eq. 3): the mean of |accuracy - confidence| over ``BINS``
    equal bins of confidence, weighted by their items. It is never below 0, and above it by chance with few
    items a bin."""
    import numpy as np

    confidence, hits, cells = _arrays(beliefs)
    gap = hits - confidence
    return lambda rows: float(
        np.abs(np.bincount(cells[rows], gap[rows], minlength=BINS)).sum() / max(len(rows), 1)
    )


def selective_accuracy(beliefs: Sequence[Belief]) -> OfItems:
    """Accuracy of the most confident ``COVERAGE`` of the items (Geifman & El-Yaniv 2017); of an odd number,
    the middle one counts by half."""
    import numpy as np

    confidence, hits, _ = _arrays(beliefs)

    def of(rows: Rows) -> float:
        wanted = COVERAGE * len(rows)
        counted = np.clip(wanted - np.arange(len(rows)), 0, 1)
        surest = rows[np.argsort(-confidence[rows], kind="stable")]
        return float(hits[surest] @ counted / wanted)

    return of


def error_by_chance(beliefs: Sequence[Belief], seed: int) -> float:
    """The calibration error to expect of a system that deserves all of these confidences: what chance makes
    of so few items."""
    import numpy as np

    confidence, _, cells = _arrays(beliefs)
    right = np.random.default_rng(seed).random((CHANCES, len(beliefs))) < confidence
    gaps = (right - confidence) @ np.eye(BINS)[cells]
    return float(np.abs(gaps).sum(1).mean() / len(beliefs))


def extras(beliefs: Mapping[str, Sequence[Belief]], seed: int, before: str = "") -> Json:
    """What stands beside the metrics, each behind ``before``: the data of the figure, and what calibration
    error chance alone gives."""
    by_chance = {system: error_by_chance(of, seed) for system, of in beliefs.items()}
    return {
        f"{before}calibration": reliability(beliefs),
        f"{before}calibration error (ECE) of a perfectly calibrated system on so few items": by_chance,
    }


def reliability(beliefs: Mapping[str, Sequence[Belief]]) -> Json:
    """Per system and bin of confidence: items, mean confidence and accuracy; the data of a reliability
    diagram."""
    return {"reliability": {system: _bins(of) for system, of in beliefs.items()}}


def _bins(beliefs: Sequence[Belief]) -> list[dict[str, float]]:
    import numpy as np

    confidence, hits, cells = _arrays(beliefs)
    return [
        {"items": int((cells == b).sum()), "confidence": float(confidence[cells == b].mean()),
         "accuracy": float(hits[cells == b].mean())}
        for b in np.unique(cells)
    ]  # fmt: skip


def _arrays(beliefs: Sequence[Belief]) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Confidence, hit and bin of every item; a bin holds its upper edge."""
    import numpy as np

    confidence = np.array([each.confidence for each in beliefs])
    hits = np.array([float(each.hit) for each in beliefs])
    cells = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return confidence, hits, cells
