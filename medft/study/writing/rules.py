"""The rules that were written down before, cell by cell: kept, broken, not to be judged, or not asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medft.aliases import Json
from medft.evaluation import between
from medft.evaluation.between import Place
from medft.format import counted
from medft.merge.kept import kept
from medft.report.comparison.seeds import spread
from medft.report.verdicts import FEWEST, Finding
from medft.runs.values import mapping, number
from medft.study.writing.arms import Arm, Study
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.topics import judged

Ruling = Literal["kept", "broken", "cannot be judged", "not asked"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule, applied to one cell."""

    name: str
    """What it is called."""
    rule: str
    """What must hold."""
    found: str
    """The figure it was judged by, or what is lacking."""
    ruling: Ruling
    """What came of it."""


def judge(outcome: Outcome, rest: Others, arm: Arm) -> list[Judged]:
    """Every rule for one cell, from its primary outcome and the others."""
    config, name = outcome.study.config, f"{arm.name} - {arm.control}"
    known = (*outcome.findings, *rest.findings("regression"), *rest.findings("safety"))
    changes = {found.key[:3]: found for found in known if found.key[3] == name}
    rules = config.rules
    return [
        _real(arm),
        _gain(outcome, arm),
        _seeds(outcome, arm),
        *_no_worse(outcome.study, changes, config.regression, rules.worst_regression, "regression"),
        _merged(arm, rules.merge_kept),
        *_no_worse(outcome.study, changes, config.safety, rules.safety, "safety"),
    ]


def _real(arm: Arm) -> Judged:
    name, rule = "real model", "a real model was trained"
    if not arm.records:
        return Judged(name, rule, "no run finished", "cannot be judged")
    return (
        Judged(name, rule, "a tiny twin, which only shows that the pipeline works", "broken")
        if arm.tiny
        else Judged(name, rule, "yes", "kept")
    )


def _gain(outcome: Outcome, arm: Arm) -> Judged:
    name, rule = "gain", "better than its base on the primary outcome, p < 0.05 after Holm's correction"
    found = outcome.against_base(arm)
    if found is None:
        said = "it has no score per item, so there is no paired test" if outcome.of(arm) else "it is missing"
        return Judged(name, rule, said, "cannot be judged")
    if not outcome.decides:
        return Judged(name, rule, f"{found.words}; shared words decide nothing", "cannot be judged")
    if found.verdict == "too few items":
        return Judged(name, rule, f"{found.words}; at least {FEWEST} are needed", "cannot be judged")
    return Judged(name, rule, found.words, "kept" if found.verdict == "better" else "broken")


def _seeds(outcome: Outcome, arm: Arm) -> Judged:
    name, rule = "seeds", "gain beyond seed noise: one more seed would be expected to gain too (95%)"
    if not outcome.study.config.rules.noise:
        return Judged(name, rule, "switched off by rules.noise=false", "not asked")
    gains, floor = seed_gains(outcome.study, arm), noise_floor(seed_gains(outcome.study, arm))
    if floor is None:
        return Judged(name, rule, f"{counted(len(gains), 'seed')}: no spread is known", "cannot be judged")
    gain = sum(gains) / len(gains)
    words = f"gain {gain:+.3f}, noise floor {floor:.2g} ({len(gains)} seeds)"
    return Judged(name, rule, words, "kept" if gain > floor else "broken")


def seed_gains(study: Study, arm: Arm) -> list[float]:
    """What each seed gained over the base on the primary outcome, above 0 for the better."""
    sign = 1 if study.higher_is_better else -1
    pairs = zip(arm.seeds_of(study.primary), _base_values(study, arm), strict=False)
    return [sign * (tuned - base) for tuned, base in pairs]


def _base_values(study: Study, arm: Arm) -> list[float]:
    metrics = arm.tuned.figures.get(study.primary, [])
    known = [number(mapping(mapping(metric, "systems"), between.BASE), "value") for metric in metrics]
    return [value for value in known if value is not None]


def noise_floor(gains: Sequence[float]) -> float | None:
    """How far from the mean of these seeds one more would fall, in 95 of 100 studies: the half-width of
    Student's prediction interval, t(0.975, n - 1) * sd * sqrt(1 + 1 / n); None for fewer than two."""
    from scipy.stats import t

    found = spread(gains)
    if found is None or found.sd is None:
        return None
    return float(t.ppf(0.975, found.n - 1) * found.sd * (1 + 1 / found.n) ** 0.5)


def _no_worse(
    study: Study, changes: Mapping[Place, Finding], suites: Sequence[str], margin: float, what: str
) -> Iterator[Judged]:
    """No metric of these suites worse than the base by more than the margin."""
    if not suites:
        yield Judged(what, f"no {what} suite worse", f"the study names no {what} suite", "not asked")
    for suite in suites:
        rule = f"{suite}: no metric worse than the base by more than {margin:g}"
        found = [changes[place] for place in judged([place for place in changes if place[0] == suite])]
        if not found:
            yield Judged(suite, rule, "both were not evaluated on it", "cannot be judged")
            continue
        ruled = [(change, _ruling(change, margin, study.higher(change.key[:3]))) for change in found]
        worst = next(
            (each for kind in ("broken", "cannot be judged") for each in ruled if each[1] == kind), None
        )
        if worst is None:
            yield Judged(suite, rule, f"{_lowest(study, found)}", "kept")
            continue
        change, ruling = worst
        yield Judged(suite, rule, _said(change, margin, ruling), ruling)


def _ruling(change: Finding, margin: float, up: bool) -> Ruling:
    """Non-inferiority: shown where the whole interval lies above -margin. A margin of 0 no interval can show,
    so that there the estimate decides."""
    value = change.value if up else -change.value
    if value < -margin:
        return "broken"
    if change.units < FEWEST:
        return "cannot be judged"
    low = change.low if up else (None if change.high is None else -change.high)
    if margin == 0 or low is None:
        return "kept"
    return "kept" if low >= -margin else "cannot be judged"


def _said(change: Finding, margin: float, ruling: Ruling) -> str:
    words = f"{change.name} {change.estimate}, {change.units:,} items"
    if ruling == "broken":
        return words
    if change.units < FEWEST:
        return f"{words}: at least {FEWEST} are needed"
    return f"{words}: too few to exclude a loss of {margin:g}"


def _lowest(study: Study, found: Sequence[Finding]) -> str:
    """The change that was least for the better."""
    worst = min(found, key=lambda each: each.value if study.higher(each.key[:3]) else -each.value)
    of = f"worst of {len(found)} metrics" if len(found) > 1 else "the metric"
    return f"{of}: {worst.name} {worst.estimate}"


def _merged(arm: Arm, least: float) -> Judged:
    name, rule = "merge", f"merged weights keep {least:.0%} of the gain"
    if arm.records and not any(record.settings.get("merge", True) for record in arm.records):
        return Judged(name, rule, "the study merges nothing (merge=false)", "not asked")
    merges = [mapping(record.summary, "merge") for record in arm.records]
    shares = [_share(merge) for merge in merges]
    if not merges or not all(merges):
        return Judged(name, rule, "not merged", "cannot be judged")
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        lacking = next(merge for merge, share in zip(merges, shares, strict=True) if share is None)
        return Judged(name, rule, kept(lacking), "cannot be judged")
    worst = min(range(len(known)), key=known.__getitem__)
    return Judged(name, rule, kept(merges[worst]), "kept" if known[worst] >= least else "broken")


def _share(merge: Json) -> float | None:
    """The share of the gain that a merge kept; None where no gain is shown, or nothing was compared."""
    logits = mapping(merge, "logits")
    gain, lost = number(mapping(logits, "gain"), "low"), number(mapping(logits, "lost"), "value")
    return None if gain is None or gain <= 0 or lost is None else 1 - lost
