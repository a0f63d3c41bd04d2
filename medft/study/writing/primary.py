"""The primary outcome on the page: its table and sentence, a forest plot, cells against each other."""

from __future__ import annotations

from medft.format import UNKNOWN, counted
from medft.report import svg
from medft.report.blocks import Block, Figure, Notice, Section, Table, Text
from medft.report.verdicts import FEWEST, Finding
from medft.study.writing import cell_pairs
from medft.study.writing.arms import Arm, Study
from medft.study.writing.estimates import estimate
from medft.study.writing.outcome import Outcome

HOW = (
    "Value: mean over the seeds, with the 95% interval over the items (each item's score averaged over the "
    "seeds); ± is the standard deviation over the seeds. Difference: the cell less its base on the same "
    "items. p by itself, and after Holm's correction for all comparisons of this outcome, between cells, too."
)
WORD_OVERLAP = (
    "This outcome counts words in common with one reference. On open medical answers such metrics agree with "
    "clinicians less than clinicians agree with each other (MedHELM, arXiv 2505.23802: ROUGE-L .36, "
    "clinicians .43), so no model may be called better by it: it decides nothing here."
)


def section(outcome: Outcome) -> Section:
    """The main table, its sentence, the forest plot and the comparisons between cells."""
    suite, part, metric = outcome.study.primary
    named = ": ".join(filter(None, (suite, part, metric)))
    better = " (higher is better)" if outcome.study.higher_is_better else " (lower is better)"
    way = better if outcome.ranked() else ""
    blocks: list[Block] = [Text(f"Named in advance: {named}{way}.\n{sentence(outcome)}")]
    if not outcome.decides:
        blocks.append(Notice(WORD_OVERLAP))
    blocks += [main_table(outcome), Text("\n".join([HOW, *outcome.notes]))]
    if (figure := forest(outcome)) is not None:
        blocks.append(figure)
    if cells := cell_pairs.pairs(outcome):
        blocks += [Text(cell_pairs.HOW), cell_pairs.table(cells)]
    if outcome.apart:
        said = "have no item in common and are not compared; their values cannot be ranked."
        blocks.append(Text(f"{counted(outcome.apart, 'pair')} {said}"))
    return Section("Primary outcome", blocks)


def main_table(outcome: Outcome) -> Table:
    """One row per cell, those that are missing as holes with their reason."""
    metric = outcome.study.primary[2]
    columns = ("cell", "seeds", metric, "± seeds", "its base", "difference", "test", "cell is", "items")
    ranked = outcome.ranked()
    missing = [arm for arm in outcome.study.arms if arm not in ranked]
    return Table(columns, tuple(_row(outcome, arm) for arm in (*ranked, *missing)))


def _row(outcome: Outcome, arm: Arm) -> tuple[str, ...]:
    own, found = outcome.of(arm), outcome.against_base(arm)
    if own is None:
        return (arm.name, "0", *[UNKNOWN] * 5, f"missing: {_why(outcome.study, arm)}", UNKNOWN)
    base = estimate(arm.base, outcome.study.primary)
    beside = (found.estimate, found.tested, found.verdict, f"{found.units:,}") if found else (UNKNOWN,) * 4
    seeds = f"{own.sd:.2g}" if own.sd is not None else UNKNOWN
    return (arm.name, str(own.seeds), own.words, seeds, base.words if base else UNKNOWN, *beside)


def _why(study: Study, arm: Arm) -> str:
    reasons = [f"{what}: {why}" for label, what, why in study.holes() if label == arm.name]
    return "; ".join(reasons) or "the suite does not give this outcome"


def sentence(outcome: Outcome) -> str:
    """What the main table says."""
    ranked = outcome.ranked()
    if not ranked:
        return "No cell has this outcome, so there is no result."
    known = [found for arm in ranked if (found := outcome.against_base(arm))]
    counts = {kind: sum(found.verdict == kind for found in known) for kind in ("better", "worse")}
    said = (
        f"Of {counted(len(outcome.study.arms), 'cell')}, {counts['better']} came out better than the base "
        f"and {counts['worse']} worse, after correction."
    )
    best, found = ranked[0], outcome.against_base(ranked[0])
    if found and (own := outcome.of(best)):
        most = "The best" if outcome.one_scale else "The largest gain"
        said += f" {f'{most}, {best.name},' if len(ranked) > 1 else 'It'} has {own.words}: {found.words}."
    return f"{said} {_rest(outcome)}".strip()


def _rest(outcome: Outcome) -> str:
    cells = cell_pairs.pairs(outcome)
    apart = [each for each in cells if each.verdict in ("better", "worse")]
    said = []
    if cells:
        said.append(f"Between cells, {len(apart)} of {counted(len(cells), 'comparison')} show a difference.")
    few = [found for found in outcome.findings if found.verdict == "too few items"]
    if few:
        said.append(f"Under {FEWEST} independent items allow no verdict: {counted(len(few), 'comparison')}.")
    return " ".join(said)


def forest(outcome: Outcome) -> Figure | None:
    """Every cell less its base on one scale, to the right is better; None where no interval is known."""
    up, metric = outcome.study.higher_is_better, outcome.study.primary[2]
    bars = [bar for arm, found in outcome.with_bases() if (bar := _bar(arm.name, found, up))]
    if not bars:
        return None
    words = f"{metric}: every cell less its base, with 95% intervals. To the right of the line is better."
    return Figure(svg.forest(bars, f"better by ({metric})"), words, "figures/primary.svg")


def _bar(name: str, found: Finding, up: bool) -> svg.Bar | None:
    """The difference with its sign so that above 0 is better."""
    if found.low is None or found.high is None:
        return None
    ends = (found.low, found.high) if up else (-found.high, -found.low)
    return svg.Bar(
        name,
        found.value if up else -found.value,
        ends[0],
        ends[1],
        found.estimate + " (lower is better)" * (not up),
    )
