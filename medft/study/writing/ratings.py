"""Blind ratings of a study's answers: what people preferred, how far they agree, what is to be settled."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from medft.evaluation.report import metrics_table
from medft.report.blocks import Block, Section, Table, Text
from medft.runs.record import RunRecord
from medft.runs.values import strings
from medft.study.writing.arms import Arm, Study
from medft.study.writing.topics import RATED

NONE = (
    "Nobody has rated the answers. medft rate study={name} writes a page on which two people or more vote, "
    "blind to the model; their votes then stand here."
)
PROTOCOL = (
    "Raters saw both answers without names, in random order, and voted alone. Agreement: Krippendorff's "
    "alpha, with the 95% interval over resampled items; 0 is what chance gives. Questions on which they "
    "disagree are listed for a third person, or a talk of the raters, to settle (the order of QUEST, npj "
    "Digital Medicine 7, 258, 2024: plan, rate, adjudicate)."
)


def section(study: Study) -> Section:
    """Preferences, agreement and disagreements, cell by cell."""
    blocks: list[Block] = []
    for arm in study.finished:
        for record in arm.records:
            blocks += _rated(arm, record)
    if not blocks:
        return Section("Blind ratings", [Text(NONE.format(name=study.config.name))])
    return Section("Blind ratings", [*blocks, Text(PROTOCOL)])


def rated(study: Study) -> bool:
    """Whether anybody has rated answers of the study."""
    return any(name.endswith(RATED) for record in study.records for name in record.suites)


def _rated(arm: Arm, record: RunRecord) -> Iterator[Block]:
    for name, written in record.suites.items():
        if not name.endswith(RATED):
            continue
        suite = name.removesuffix(RATED)
        yield Text(f"{arm.cell.label}, seed {record.settings.get('seed')}, answers to {suite}:")
        yield metrics_table(written)
        yield Text("\n".join(strings(written.get("notes"))))
        if (
            table := _disagreements(record.run.evaluation / "rating" / f"{suite}.disagreements.csv")
        ) is not None:
            yield Text("To be settled:")
            yield table


def _disagreements(path: Path) -> Table | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as lines:
        head, *rows = list(csv.reader(lines))
    return Table(tuple(head), tuple(map(tuple, rows))) if rows else None
