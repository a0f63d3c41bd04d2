"""Uncertainty: intervals, paired tests, and the words that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"
OfItems: TypeAlias = "Callable[[npt.NDArray[np.intp]], float]"
"""A metric as a function of the indices of the items that count, repeats included."""

RESAMPLES = 2_000
CONFIDENCE = 0.95
ALPHA = 0.05

Verdict = Literal["better", "worse", "no significant change"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95% interval."""

    value: float
    """The value itself."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How one system differs from another on the same items."""

    value: float
    """Second minus first."""
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval."""
    p: float | None
    """Two-sided p-value of the paired test; None where the interval alone decides."""
    test: str
    """The test by name."""
    verdict: Verdict
    """The conclusion."""


def share(hits: Sequence[bool]) -> Interval:
    """A proportion with Wilson's score interval (Wilson 1927), which stays within 0 and 1."""
    low, high = _wilson(sum(hits), len(hits))
    return Interval(sum(hits) / len(hits), low, high, len(hits))


def mean(values: Sequence[float], weights: Sequence[float] | None = None, *, seed: int = 0) -> Interval:
    """A (weighted) mean with the percentile interval of ``RESAMPLES`` bootstrap resamples of the items.

    With weights it is a ratio of sums, such as nats over bytes: value = nats / bytes, weight = bytes.
    """
    value, resampled = _bootstrap(values, weights, seed)
    return Interval(value, *percentiles(resampled), len(values))


def compare_shares(
    first: Sequence[bool], second: Sequence[bool], *, higher_is_better: bool = True
) -> Difference:
    """Paired proportions: exact McNemar test (binomial on the discordant pairs; McNemar 1947) and Newcombe's
    hybrid score interval of the difference (Newcombe 1998, method 10)."""
    from scipy.stats import binomtest

    gained = sum(b and not a for a, b in zip(first, second, strict=True))
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    low, high = _newcombe(first, second)
    value = (gained - lost) / len(first)
    verdict = _verdict(value if p < ALPHA else 0.0, higher_is_better)
    return Difference(value, low, high, p, "McNemar, exact", verdict)


def compare_means(
    first: Sequence[float],
    second: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    higher_is_better: bool = True,
    seed: int = 0,
) -> Difference:
    """Paired means: the percentile interval of the mean difference over bootstrap resamples of the items; a
    change is significant when the interval leaves out 0 (Efron & Tibshirani 1993, chapter 13)."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    value, resampled = _bootstrap(differences, weights, seed)
    if len(differences) == 1:  # one item says nothing about others
        return Difference(value, value, value, None, "none: one item", "no significant change")
    return from_resamples(value, resampled, higher_is_better=higher_is_better)


def from_resamples(value: float, resampled: Floats, *, higher_is_better: bool = True) -> Difference:
    """A difference and what its bootstrap resamples say of it."""
    low, high = percentiles(resampled)
    verdict = _verdict(value if low > 0 or high < 0 else 0.0, higher_is_better)
    return Difference(value, low, high, None, f"paired bootstrap, {len(resampled)} resamples", verdict)


def percentiles(resampled: Floats) -> tuple[float, float]:
    """The ends of the 95% percentile interval of bootstrap resamples."""
    import numpy as np

    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def in_words(difference: Difference, unit: str = "") -> str:
    """The difference as a sentence's end: "better by 0.031 (95% interval 0.010 to 0.052, p = 0.004)"."""
    bounds = f"95% interval {difference.low:+.3f} to {difference.high:+.3f}"
    p = "" if difference.p is None else f", p {_p(difference.p)}"
    if difference.verdict == "no significant change":
        return f"no significant change ({difference.value:+.3f}{unit}; {bounds}{p})"
    return f"{difference.verdict} by {abs(difference.value):.3f}{unit} ({bounds}{p})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _verdict(certain_change: float, higher_is_better: bool) -> Verdict:
    if certain_change == 0:
        return "no significant change"
    return "better" if (certain_change > 0) == higher_is_better else "worse"


def _wilson(hits: int, n: int) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, n, alpha=1 - CONFIDENCE, method="wilson")
    return max(float(low), 0.0), min(float(high), 1.0)


def _newcombe(first: Sequence[bool], second: Sequence[bool]) -> tuple[float, float]:
    n = len(first)
    p1, p2 = sum(first) / n, sum(second) / n
    (l1, u1), (l2, u2) = _wilson(sum(first), n), _wilson(sum(second), n)
    phi = _phi(first, second)
    below = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    above = (u2 - p2) ** 2 - 2 * phi * (u2 - p2) * (p1 - l1) + (p1 - l1) ** 2
    return p2 - p1 - sqrt(max(below, 0.0)), p2 - p1 + sqrt(max(above, 0.0))


def _phi(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Correlation of the two outcomes, with Newcombe's continuity correction where it is positive."""
    n = len(first)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    only1, only2 = sum(first) - both, sum(second) - both
    neither = n - both - only1 - only2
    margins = (both + only1) * (only2 + neither) * (both + only2) * (only1 + neither)
    if margins == 0:
        return 0.0
    cross = both * neither - only1 * only2
    return (max(cross - n / 2, 0.0) if cross > 0 else cross) / sqrt(margins)


def _bootstrap(values: Sequence[float], weights: Sequence[float] | None, seed: int) -> tuple[float, Floats]:
    """The weighted mean, and that of ``RESAMPLES`` resamples of the items."""
    import numpy as np

    x = np.asarray(values, dtype=float)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float)
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(x), len(x)) for _ in range(RESAMPLES))
    resampled = np.array([(x[rows] * w[rows]).sum() / w[rows].sum() for rows in draws])
    return float((x * w).sum() / w.sum()), resampled
