"""Blind ratings of a study's answers: what people preferred, how far they agree, what is to be settled."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from medft.errors import RunError
from medft.evaluation.report import metrics_table
from medft.report.blocks import Block, Section, Table, Text
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.runs.values import strings
from medft.study.folder import StudyDir
from medft.study.writing.arms import Arm, Study
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.topics import RATED
from medft.study.writing.verdict import decide

NONE = (
    "The answers have not been rated. medft rate study={name} writes a page on which two people or "
    "more vote, "
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


def to_rate(folder: StudyDir, suite: str) -> RunDir:
    """The run of a study whose answers to ``suite`` are rated: the one with a page already, else the first of
    the cell that the verdict speaks of.

    Raises:
        RunError: no run has finished.
    """
    study = Study.of(folder.config(), folder, folder.trials())
    cell = decide(Outcome(study), Others(study)).verdict.cell
    arms = sorted(study.finished, key=lambda arm: arm.cell.label != cell)
    runs = [record.run for arm in arms for record in arm.records]
    if not runs:
        raise RunError("no run of the study has finished", where=str(folder.root))
    return next((run for run in runs if (run.evaluation / "rating" / f"{suite}.key.json").is_file()), runs[0])


def rated(study: Study) -> bool:
    """Whether anybody has rated answers of the study."""
    return any(name.endswith(RATED) for record in study.records for name in record.suites)


def _rated(arm: Arm, record: RunRecord) -> Iterator[Block]:
    for name, written in record.suites.items():
        if not name.endswith(RATED):
            continue
        suite = name.removesuffix(RATED)
        yield Text(f"{arm.name}, seed {record.settings.get('seed')}, answers to {suite}:")
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
