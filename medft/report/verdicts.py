"""What happened to each metric of an evaluation from one system to another: better, worse, no significant
change, or too few items to say.

The tests of one pair of systems over all suites of a report are one family, whose p-values are corrected
together: so a verdict depends on the report that it is in, and is never stored in <suite>.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from medft.aliases import Json
from medft.runs.values import mapping, mappings, number, text

ALPHA = 0.05
FEWEST = 20
"""Independent items below which no verdict is given."""
NOT_ESTIMABLE = "not estimable"
PAIR = "tuned - base"

Verdict = Literal["better", "worse", "no significant change", "too few items"]
Key = tuple[str, str, str, str]
"""Suite, part, metric and pair of systems."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A paired difference, and what it comes to."""

    key: Key
    """Suite, part, metric and pair."""
    value: float
    """Second minus first."""
    low: float | None
    """Lower end of the 95% interval of this difference by itself; None: not estimable."""
    high: float | None
    """Upper end."""
    p: float | None
    """Two-sided p-value by itself; None in files of an older medft."""
    corrected: float | None
    """The same after Holm's correction for the metrics of the report."""
    verdict: Verdict
    """The conclusion, from the corrected p-value."""
    units: int
    """Independent items."""
    needed: int | None
    """Items that would show a difference of this size, in four of five evaluations."""
    skewed: bool
    """Whether the differences are so skewed that the interval may cover less than 95%."""

    @property
    def name(self) -> str:
        """The metric, with its part."""
        return ": ".join(filter(None, self.key[1:3]))

    @property
    def estimate(self) -> str:
        """``+0.031 [+0.010, +0.052]``."""
        return interval(self.value, self.low, self.high, "+")

    @property
    def tested(self) -> str:
        """``p = 0.004``, with the corrected one where that is another."""
        if self.p is None or self.corrected is None:
            return ""
        alone, together = _p(self.p), _p(self.corrected)
        return f"p {alone}" if alone == together else f"p {alone}, {together} by Holm"

    @property
    def words(self) -> str:
        """Verdict, difference, interval and test in a line."""
        inside = ", ".join(filter(None, (f"{self.estimate}", self.tested, f"{self.units} independent items")))
        return f"{self.verdict} ({inside})"


def findings(suites: Iterable[Json], *, one_family: bool = False) -> dict[Key, Finding]:
    """The differences of all metrics of all suites, each with its verdict.

    Holm, Scand. J. Stat. 6, 65 (1979): over the metrics of one pair of systems and one kind of weights. Those
    of too few items are not tested, and do not count.

    Args:
        suites: what <suite>.json holds, of each. one_family: correct over all pairs of systems together.
    """
    families: dict[tuple[str, str], list[tuple[Key, Json, Json]]] = {}
    for suite in suites:
        for metric in mappings(suite, "figures"):
            pairs = mapping(metric, "differences")
            for pair in pairs:
                key = (text(suite.get("suite")), text(metric.get("group")), text(metric.get("name")), pair)
                family = families.setdefault((text(suite.get("weights")), "" if one_family else pair), [])
                family.append((key, metric, mapping(pairs, pair)))
    return {found.key: found for family in families.values() for found in _family(family)}


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction for their number."""
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, alpha=ALPHA, method="holm")[1]]


def interval(value: float, low: float | None, high: float | None, sign: str = "") -> str:
    """``0.250 [0.127, 0.412]``, or that the interval cannot be estimated."""
    if low is None or high is None:
        return f"{_number(value, sign)} [{NOT_ESTIMABLE}]"
    return f"{_number(value, sign)} [{_number(low, sign)}, {_number(high, sign)}]"


def _family(family: Sequence[tuple[Key, Json, Json]]) -> list[Finding]:
    known = {
        index: p
        for index, (_, metric, difference) in enumerate(family)
        if (p := number(difference, "p")) is not None and _units(metric, difference) >= FEWEST
    }
    corrected = dict(zip(known, holm(list(known.values())), strict=True))
    return [_finding(*each, corrected.get(i)) for i, each in enumerate(family)]


def _finding(key: Key, metric: Json, difference: Json, corrected: float | None) -> Finding:
    units, value = _units(metric, difference), number(difference, "value") or 0.0
    up = bool(metric.get("higher_is_better", True))
    needed = number(difference, "needed")
    return Finding(
        key=key,
        value=value,
        low=number(difference, "low"),
        high=number(difference, "high"),
        p=number(difference, "p"),
        corrected=corrected,
        verdict=_verdict(difference, units, corrected, (value > 0) == up),
        units=units,
        needed=None if needed is None else int(needed),
        skewed=bool(difference.get("skewed")),
    )


def _verdict(difference: Json, units: int, corrected: float | None, up: bool) -> Verdict:
    if units < FEWEST:
        return "too few items"
    if corrected is None:  # a bootstrap of an older medft, which wrote its verdict down
        written = text(difference.get("verdict"))
        return "better" if written == "better" else "worse" if written == "worse" else "no significant change"
    if corrected >= ALPHA:
        return "no significant change"
    return "better" if up else "worse"


def _units(metric: Json, difference: Json) -> int:
    """Independent items; an older medft counted items alone, with the systems."""
    if (units := number(difference, "units")) is not None:
        return int(units)
    systems = mapping(metric, "systems")
    return int(max((number(mapping(systems, name), "n") or 0 for name in systems), default=0))


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
