"""The primary outcome: every cell against its base and the others, and what that says in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from medft.evaluation import between
from medft.format import UNKNOWN, decimal
from medft.report import svg
from medft.report.blocks import Block, Figure, Notice, Section, Table, Text
from medft.report.verdicts import FEWEST, Finding
from medft.study.writing.arms import Arm, Study
from medft.study.writing.estimates import Estimate, estimate
from medft.study.writing.topics import OVERLAP

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


@dataclass(frozen=True)
class Outcome:
    """The primary outcome of a study."""

    study: Study
    """The study."""

    @cached_property
    def _differences(self) -> tuple[list[Finding], list[str]]:
        place = self.study.primary
        return between.differences(
            self.study.pairs(), self.study.config.split_seed, lambda each: each == place
        )

    @property
    def findings(self) -> list[Finding]:
        """The comparisons that were asked for, corrected together."""
        return self._differences[0]

    @property
    def notes(self) -> list[str]:
        """What must be said of the items."""
        return self._differences[1]

    @property
    def decides(self) -> bool:
        """Whether a model may be called better by it."""
        return self.study.primary[2] not in OVERLAP

    def of(self, arm: Arm) -> Estimate | None:
        """The outcome of a cell."""
        return estimate(arm.tuned, self.study.primary) if arm.records else None

    def against_base(self, arm: Arm) -> Finding | None:
        """A cell less its base."""
        name = f"{arm.cell.label} - {arm.cell.base}"
        return next((found for found in self.findings if found.key[3] == name), None)

    def ranked(self) -> list[Arm]:
        """The cells that have the outcome, best first."""
        known = {arm.cell.label: (found.value, arm) for arm in self.study.arms if (found := self.of(arm))}
        up = self.study.higher_is_better
        return [arm for _, arm in sorted(known.values(), key=lambda each: each[0], reverse=up)]

    def between_cells(self) -> list[Finding]:
        """The comparisons that are not with a cell's own base."""
        own = {f"{arm.cell.label} - {arm.cell.base}" for arm in self.study.arms}
        return [found for found in self.findings if found.key[3] not in own]


def section(outcome: Outcome) -> Section:
    """The main table, its sentence, the forest plot and the comparisons between cells."""
    suite, part, metric = outcome.study.primary
    named = ": ".join(filter(None, (suite, part, metric)))
    better = "higher" if outcome.study.higher_is_better else "lower"
    blocks: list[Block] = [Text(f"Named in advance: {named} ({better} is better).\n{sentence(outcome)}")]
    if not outcome.decides:
        blocks.append(Notice(WORD_OVERLAP))
    blocks += [main_table(outcome), Text("\n".join([HOW, *outcome.notes]))]
    if (figure := forest(outcome.findings, outcome.study.higher_is_better, metric)) is not None:
        blocks.append(figure)
    if cells := outcome.between_cells():
        blocks += [Text("Cells against each other, on the items that both were asked:"), between.table(cells)]
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
        return (arm.cell.label, "0", *[UNKNOWN] * 5, f"missing: {_why(outcome.study, arm)}", UNKNOWN)
    base = estimate(arm.base, outcome.study.primary)
    beside = (found.estimate, found.tested, found.verdict, f"{found.units:,}") if found else (UNKNOWN,) * 4
    seeds = decimal(own.sd) if own.sd is not None else UNKNOWN
    return (arm.cell.label, str(own.seeds), own.words, seeds, base.words if base else UNKNOWN, *beside)


def _why(study: Study, arm: Arm) -> str:
    reasons = [f"{what}: {why}" for label, what, why in study.holes() if label == arm.cell.label]
    return "; ".join(reasons) or "the suite does not give this outcome"


def sentence(outcome: Outcome) -> str:
    """What the main table says."""
    ranked = outcome.ranked()
    if not ranked:
        return "No cell has this outcome, so nothing can be said."
    known = [found for arm in ranked if (found := outcome.against_base(arm))]
    counts = {kind: sum(found.verdict == kind for found in known) for kind in ("better", "worse")}
    said = (
        f"Of {_cells(len(outcome.study.arms))}, {counts['better']} came out better than the base and "
        f"{counts['worse']} worse, after correction."
    )
    best, found = ranked[0], outcome.against_base(ranked[0])
    if found and (own := outcome.of(best)):
        said += f" {'The best,' if len(ranked) > 1 else 'It is'} {best.cell.label}"
        said += f"{', has' if len(ranked) > 1 else ' with'} {own.words}: {found.words} against its base."
    return f"{said} {_rest(outcome)}".strip()


def _rest(outcome: Outcome) -> str:
    cells = outcome.between_cells()
    apart = [found for found in cells if found.verdict in ("better", "worse")]
    said = ""
    if cells:
        said = f"Between cells, {len(apart)} of {len(cells)} comparisons show a difference."
    few = [found for found in outcome.findings if found.verdict == "too few items"]
    if few:
        said += f" {len(few)} comparisons have under {FEWEST} independent items, and so no verdict."
    return said


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def forest(found: Sequence[Finding], up: bool, unit: str, file: str = "figures/primary.svg") -> Figure | None:
    """Differences on one scale, to the right is better; None where no interval is known."""
    bars = [bar for each in found if (bar := _bar(each, up))]
    if not bars:
        return None
    words = (
        f"Differences in {unit}, second less first, with 95% intervals. To the right of the line is better."
    )
    return Figure(svg.forest(bars, f"better by ({unit})"), words, file)


def _bar(found: Finding, up: bool) -> svg.Bar | None:
    """The difference with its sign so that above 0 is better."""
    if found.low is None or found.high is None:
        return None
    ends = (found.low, found.high) if up else (-found.high, -found.low)
    return svg.Bar(found.key[3], found.value if up else -found.value, ends[0], ends[1], found.estimate)
