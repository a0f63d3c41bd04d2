"""Repeats: which runs are one configuration with several seeds, their mean and spread, and what a
difference is worth.

The rule for a difference, in the words that reports quote, is ``RULE``. A single seed says nothing of how
far a repeat would fall elsewhere (Bouthillier et al., "Accounting for variance in machine learning
benchmarks", MLSys 2021), so that a run without repeats takes part in no test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from medft.format import decimal
from medft.report.comparison.settings import trains
from medft.report.subject import Subject
from medft.report.verdicts import ALPHA, holm

RULE = (
    "A difference between two configurations with at least two seeds each counts when Welch's t-test "
    "(unequal variances, two-sided) over their seeds, with Holm's correction for the number of pairs, has "
    f"p < {ALPHA}; otherwise it is called within the spread of the seeds."
)


@dataclass(frozen=True, slots=True)
class Group:
    """One configuration: a run, or several that differ in their seed alone."""

    members: tuple[int, ...]
    """Indices of its subjects, by seed."""

    @property
    def repeated(self) -> bool:
        """Whether there are several seeds."""
        return len(self.members) > 1


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation over seeds."""

    mean: float
    """Arithmetic mean."""
    sd: float | None
    """Sample standard deviation (n - 1); None for a single seed."""
    n: int
    """Seeds with a value."""

    def __str__(self) -> str:
        """``1.034``, or ``1.034 ± 0.012 (n=3)``."""
        mean = decimal(self.mean)
        return mean if self.sd is None else f"{mean} ± {decimal(self.sd)} (n={self.n})"


@dataclass(frozen=True, slots=True)
class PairTest:
    """Whether two groups differ by more than their seeds explain."""

    first: int
    """Index of a group."""
    second: int
    """Index of another."""
    gap: float
    """Mean of ``second`` less mean of ``first``."""
    interval: tuple[float, float] | None
    """95% confidence interval of ``gap`` (Welch), for this pair by itself; None where no seed differs from
    another, so that it cannot be estimated."""
    p: float
    """Two-sided p, Holm-corrected over all pairs."""

    @property
    def counts(self) -> bool:
        """Whether the difference is larger than the spread of seeds explains (``RULE``)."""
        return self.p < ALPHA

    @property
    def verdict(self) -> str:
        """In words."""
        return "differs" if self.counts else "within the spread of the seeds"


def group(subjects: Sequence[Subject]) -> list[Group]:
    """Group runs of the same settings, tokenizer, data and prompt that differ in their seed.

    A run with a seed that its group already holds is no independent repeat: the first of them (runs come
    newest first) joins, the others stand by themselves. Runs without settings or seed, and unfinished ones,
    stand by themselves too.
    """
    groups: dict[object, list[int]] = {}
    for index, subject in enumerate(subjects):
        key: object = _configuration(subject) if subject.seed and subject.settings else index
        taken = {subjects[other].seed for other in groups.get(key, [])}
        groups.setdefault(index if subject.seed in taken or subject.state != "finished" else key, []).append(
            index
        )
    return [Group(tuple(sorted(members, key=lambda i: _by_seed(subjects[i])))) for members in groups.values()]


def reruns(subjects: Sequence[Subject]) -> int:
    """How many finished runs repeat the settings *and* the seed of another one."""
    done = [s for s in subjects if s.seed and s.settings and s.state == "finished"]
    return len(done) - len({(_configuration(subject), subject.seed) for subject in done})


def _configuration(subject: Subject) -> tuple[object, ...]:
    settings = frozenset(
        (key, value) for key, value in subject.settings.items() if trains(key) and key != "seed"
    )
    # Rows and splits may be drawn by the seed: such runs are repeats still, and their spread holds that of
    # the draw.
    prints = tuple(subject.fingerprints.get(kind) for kind in ("template", "tokenizer"))
    return settings, prints


def _by_seed(subject: Subject) -> tuple[int, str]:
    seed = subject.seed or ""
    return (int(seed) if seed.lstrip("-").isdigit() else 0, seed)


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean and sample standard deviation of the known values, which are finite; None when there is none."""
    import statistics

    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def compare_pairs(values: Sequence[Sequence[float]], families: Sequence[Sequence[int]]) -> list[PairTest]:
    """Test every pair of repeated groups that may be compared (``RULE``).

    Welch, Biometrika 34, 28 (1947); Holm, Scand. J. Stat. 6, 65 (1979).

    Args:
        values: per group, the final value of each seed. families: indices of groups that may be compared
        with one another; Holm's correction spans all families.
    """
    pairs = [
        pair
        for family in families
        for pair in itertools.combinations(family, 2)
        if min(len(values[index]) for index in pair) > 1
    ]
    raw = [_welch(values[first], values[second]) for first, second in pairs]
    corrected = holm([p for _, _, p in raw])
    return [
        PairTest(first, second, gap, interval, p)
        for (first, second), (gap, interval, _), p in zip(pairs, raw, corrected, strict=True)
    ]


def _welch(
    first: Sequence[float], second: Sequence[float]
) -> tuple[float, tuple[float, float] | None, float]:
    import statistics

    from scipy.stats import ttest_ind

    gap = statistics.fmean(second) - statistics.fmean(first)
    if len({*first}) == len({*second}) == 1:  # no spread at all, so nothing to hold the difference against
        return gap, None, 1.0
    result = ttest_ind(second, first, equal_var=False)
    interval = result.confidence_interval(0.95)
    return gap, (float(interval.low), float(interval.high)), float(result.pvalue)
