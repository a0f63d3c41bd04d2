"""The primary outcome by parts of the items: task, source, and length of the reference. Exploratory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medft.evaluation import statistics
from medft.report import svg
from medft.report.blocks import Figure, Notice, Section, Table
from medft.report.verdicts import FEWEST, interval
from medft.runs.values import text
from medft.study.writing.arms import Arm, Study

WARNING = (
    "Subgroups were not named in advance and are not corrected for their number: with twenty of them, one "
    "interval would leave out 0 by chance. They raise questions and answer none."
)
LENGTHS = ("short reference", "medium reference", "long reference")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of an item beside its score."""

    group: str
    """Its task or topic."""
    reference: str
    """The gold answer."""


def section(study: Study, chosen: Arm) -> Section | None:
    """A table of all cells, and a forest plot of the chosen one; None where no cell has subgroups."""
    rows, bars = [], []
    for arm in study.finished:
        for name, units, found in _subgroups(study, arm):
            said = interval(found.value, found.low, found.high, "+")
            rows.append((arm.name, name, said, f"{units:,}"))
            if arm is chosen and found.low is not None and found.high is not None:
                ends = (found.low, found.high) if study.higher_is_better else (-found.high, -found.low)
                value = found.value if study.higher_is_better else -found.value
                bars.append(svg.Bar(name, value, *ends, said))
    if not rows:
        return None
    blocks = [Notice(WARNING)]
    table = Table(("cell", "subgroup", "difference to base", "independent items"), tuple(rows))
    if not bars:
        return Section("Subgroups", [*blocks, table])
    metric = study.primary[2]
    words = f"{chosen.name}: difference to its base in {metric} by subgroup; to the right is better."
    drawing = svg.forest(bars, f"better by ({metric})")
    return Section("Subgroups", [*blocks, Figure(drawing, words, "figures/subgroups.svg"), table])


def _subgroups(study: Study, arm: Arm) -> Iterator[tuple[str, int, statistics.Difference]]:
    """Each subgroup with enough independent items: its name, these, and the difference to the base."""
    place = study.primary
    tuned, base = arm.tuned.items.get(place, {}), arm.base.items.get(place, {})
    for name, items in _members(arm, place[0], [item for item in tuned if item in base]).items():
        found = statistics.compare_means(
            [base[item].value for item in items],
            [tuned[item].value for item in items],
            [tuned[item].weight for item in items],
            [tuned[item].cluster for item in items],
            seed=study.config.split_seed,
        )
        if found.units >= FEWEST:
            yield name, found.units, found


def _members(arm: Arm, suite: str, items: list[str]) -> dict[str, list[str]]:
    """The items of every subgroup; a way to divide them that leaves one group is none."""
    known = about(arm.records[0].run.evaluation / f"{suite}.answers.jsonl")
    ways: list[Mapping[str, str]] = [
        {item: known[item].group for item in items if item in known and known[item].group},
        {item: source for item in items if (source := source_of(item))},
        _lengths({item: known[item].reference for item in items if item in known}),
    ]
    found: dict[str, list[str]] = {}
    for way in ways:
        if len(set(way.values())) > 1:
            for item, name in way.items():
                found.setdefault(name, []).append(item)
    return found


def source_of(item: str) -> str:
    """The source that an item's id begins with; empty where it has none."""
    head, colon, _ = item.rpartition("/")[2].partition(":")
    return f"source {head}" if colon else ""


def _lengths(references: Mapping[str, str]) -> dict[str, str]:
    """Thirds of the items by the length of their references; none where all are a few letters."""
    order = sorted(references, key=lambda item: len(references[item]))
    if not order or len(references[order[-1]]) < 40:
        return {}
    return {item: LENGTHS[min(3 * rank // len(order), 2)] for rank, item in enumerate(order)}


def about(path: Path) -> dict[str, About]:
    """Group and reference of the items of a suite, from its answers; empty where they are not kept."""
    found: dict[str, About] = {}
    if not path.is_file():
        return found
    for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
        row = json.loads(line)
        if "question" in row:
            found.setdefault(text(row["item"]), About(text(row.get("group")), text(row.get("gold"))))
    return found
