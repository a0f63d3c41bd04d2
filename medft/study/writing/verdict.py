"""Ship or do not ship: which cell the rules let through, and why the others are held back."""

from __future__ import annotations

from dataclasses import dataclass

from medft.report.blocks import Block, Notice, Section, Table, Text
from medft.study.writing.arms import Arm
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.rules import Judged, judge

HOW = (
    "The rules are part of the study's settings, which were saved before the first run. A rule that "
    "cannot be judged holds a model back like a broken one; one that the study never asked for does not, and "
    "the verdict says nothing of what it would have shown. Regression suites are judged by the interval of "
    "the difference to the base (non-inferiority): the whole of it must lie within the margin."
)
_LETS_THROUGH = ("kept", "not asked")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person may sign."""

    ship: bool
    """Whether a cell kept every rule that the study asks for."""
    cell: str
    """The cell that the verdict speaks of: the best that kept every rule, else the best; empty: none."""
    reasons: tuple[str, ...]
    """What it rests on."""
    not_asked: tuple[str, ...] = ()
    """Rules that the study does not ask for, so that the verdict leaves them open."""

    @property
    def words(self) -> str:
        """The verdict in a line."""
        ship = "Ship as far as asked" if self.not_asked else "Ship"
        left_open = f" (not asked: {', '.join(self.not_asked)})" if self.not_asked else ""
        of = self.cell or "no cell has the primary outcome"
        return f"{ship if self.ship else 'Do not ship'}: {of}{left_open}"


@dataclass(frozen=True, slots=True)
class Judgment:
    """The verdict, and every rule for every cell."""

    verdict: Verdict
    """Ship or do not ship."""
    rules: tuple[tuple[Arm, tuple[Judged, ...]], ...]
    """By cell, best first."""


def decide(outcome: Outcome, rest: Others) -> Judgment:
    """Apply the rules to every cell that has the primary outcome."""
    rules = tuple((arm, tuple(judge(outcome, rest, arm))) for arm in outcome.ranked())
    passed = [each for each in rules if all(rule.ruling in _LETS_THROUGH for rule in each[1])]
    if not rules:
        return Judgment(Verdict(False, "", ("no cell has the primary outcome",)), rules)
    arm, judged = (passed or rules)[0]
    reasons = tuple(
        f"{rule.rule}: {rule.ruling} ({rule.found})"
        for rule in judged
        if passed or rule.ruling not in _LETS_THROUGH
    )
    not_asked = tuple(rule.name for rule in judged if rule.ruling == "not asked")
    return Judgment(Verdict(bool(passed), arm.cell.label, reasons, not_asked), rules)


def section(judgment: Judgment) -> Section:
    """The verdict with every rule and its figure."""
    verdict = judgment.verdict
    blocks: list[Block] = [Notice(verdict.words)]
    if not verdict.ship:
        blocks.append(Text("Not shipped because:\n" + "\n".join(f"· {reason}" for reason in verdict.reasons)))
    for arm, rules in judgment.rules:
        if arm.cell.label == verdict.cell:
            rows = tuple((rule.rule, rule.found, rule.ruling) for rule in rules)
            blocks.append(Table(("rule", f"found for {arm.name}", "ruling"), rows))
            seeds = ", ".join(f"{each.run.name} (seed {each.settings.get('seed')})" for each in arm.records)
            blocks.append(Text(f"Judged over all its seeds: {seeds}."))
    if len(judgment.rules) > 1:
        blocks += [Text("All cells, best first:"), _all(judgment)]
    return Section("Verdict", [*blocks, Text(HOW)])


def _all(judgment: Judgment) -> Table:
    """A row per rule, a column per cell."""
    names = [rule.name for rule in judgment.rules[0][1]]
    rows = tuple((name, *(rules[at].ruling for _, rules in judgment.rules)) for at, name in enumerate(names))
    return Table(("rule", *(arm.name for arm, _ in judgment.rules)), rows)
