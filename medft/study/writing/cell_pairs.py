"""Cells against each other: the items and the seeds must both tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

from medft.format import UNKNOWN
from medft.report.blocks import Table
from medft.report.comparison.seeds import compare_pairs
from medft.report.verdicts import ALPHA, Finding, holm
from medft.study.writing.arms import Arm
from medft.study.writing.outcome import Outcome

HOW = (
    "Cells against each other, on the items that both were asked, and over their seeds (Welch's t-test, "
    "Holm's correction): other seeds might turn a difference that shows on the items alone, so both must."
)
WITHIN, UNKNOWN_SPREAD = "within the spread of the seeds", "not distinguishable from seed noise"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells."""

    found: Finding
    """Their difference on the items."""
    p: float | None
    """Of Welch's test over the seeds, after Holm's correction; None where one of them has a single seed."""

    @property
    def verdict(self) -> str:
        """What both tests come to."""
        if self.found.verdict not in ("better", "worse"):
            return self.found.verdict
        if self.p is None:
            return UNKNOWN_SPREAD
        return self.found.verdict if self.p < ALPHA else WITHIN


def pairs(outcome: Outcome) -> list[Pair]:
    """The comparisons between cells that were asked for."""
    by_name = {arm.name: arm for arm in outcome.study.finished}
    named = {found.key[3]: found for found in outcome.between_cells()}
    arms = {
        f"{second.label} - {first.label}": (by_name.get(first.label), by_name.get(second.label))
        for first, second in outcome.study.pairs()
    }
    raw = {name: _over_seeds(outcome, *arms[name]) for name in named}
    known = {name: p for name, p in raw.items() if p is not None}
    corrected = dict(zip(known, holm(list(known.values())), strict=True))
    return [Pair(found, corrected.get(name)) for name, found in named.items()]


def _over_seeds(outcome: Outcome, first: Arm | None, second: Arm | None) -> float | None:
    if first is None or second is None:  # a base of other weights has no seeds
        return None
    values = [arm.seeds_of(outcome.study.primary) for arm in (first, second)]
    tests = compare_pairs(values, [(0, 1)])
    return tests[0].p if tests else None


def table(found: list[Pair]) -> Table:
    """The comparisons, one row each."""
    rows = tuple(
        (
            each.found.key[3],
            each.found.estimate,
            each.found.tested,
            UNKNOWN if each.p is None else f"p = {each.p:.3f}" if each.p >= 0.001 else "p < 0.001",
            each.verdict,
            f"{each.found.units:,}",
        )
        for each in found
    )
    columns = (
        "second - first",
        "difference",
        "test on the items",
        "test over the seeds",
        "second is",
        "items",
    )
    return Table(columns, rows)
