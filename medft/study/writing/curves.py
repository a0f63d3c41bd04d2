"""The training of all cells: curves with the spread of their seeds, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medft.errors import DataError
from medft.format import UNKNOWN, count, duration, size
from medft.report.blocks import Block, Notice, Picture, Section, Table, Text
from medft.report.comparison.chart import chart
from medft.report.comparison.plot import draw
from medft.report.comparison.result import Comparison
from medft.report.comparison.rules import compare
from medft.report.comparison.seeds import RULE, spread
from medft.report.comparison.tables import pairs, results
from medft.report.subject import of_run
from medft.runs.values import number
from medft.study.writing.arms import Arm, Study
from medft.sweep.folder import INDEX, SweepDir

FILE = "figures/curves.svg"


def section(study: Study, folder: Path) -> Section | None:
    """The curves, drawn by the renderer of ``medft compare`` into ``folder``; None where no run finished."""
    subjects, unread = [], []
    for record in study.records:
        try:
            subjects.append(of_run(record.run))
        except DataError as error:
            unread.append(f"{record.run.name} is not drawn: {error.what}.")
    if not subjects:
        return None
    comparison = compare(subjects)
    picture = folder / FILE
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(comparison, f"Training of {study.config.name}", [picture])
    alt = "Training and validation curves of " + ", ".join(line.label for line in comparison.lines)
    shown = chart(comparison, Picture(picture.read_bytes(), "image/svg+xml", alt, FILE))
    return Section("Training", [*map(Notice, (*unread, *comparison.warnings)), shown, *_tables(comparison)])


def _tables(comparison: Comparison) -> Iterator[Block]:
    yield results(comparison)
    if (tests := pairs(comparison)) is not None:
        yield tests
        yield Text(RULE)
    if comparison.notes:
        yield Text("\n".join(comparison.notes))


def cost(study: Study) -> Section:
    """Hours, tokens and memory by cell, and of the study."""
    rows = [_cost(arm) for arm in study.finished]
    hours = sum(_total(arm, "seconds") for arm in study.finished)
    tokens = sum(_total(arm, "tokens") for arm in study.finished)
    said = [
        f"Training took {duration(hours)} and {count(tokens)} tokens over all runs, "
        "not counting loading, checking and evaluation.",
        *_asking(study),
        "Energy was not measured: medft records time, tokens and hardware.",
    ]
    columns = ("cell", "runs", "training", "a run", "tokens", "tokens/s", "peak memory")
    return Section("Cost", [Table(columns, tuple(rows)), Text("\n".join(said))] if rows else [Text(said[-1])])


def _asking(study: Study) -> Iterator[str]:
    """How long the suites took, where the study asked them itself."""
    asked = SweepDir(study.folder.evaluation)
    if (asked.root / INDEX).is_file() and (seconds := sum(job.seconds for job in asked.jobs())):
        yield f"Evaluation took {duration(seconds)}, loading included."


def _cost(arm: Arm) -> tuple[str, ...]:
    seconds, runs = _total(arm, "seconds"), len(arm.records)
    speed = spread([number(record.summary, "tokens_per_second") for record in arm.records])
    memory = [number(record.summary, "peak_memory_bytes") for record in arm.records]
    return (
        arm.name,
        str(runs),
        duration(seconds),
        duration(seconds / runs),
        count(_total(arm, "tokens")),
        count(speed.mean) if speed else UNKNOWN,
        size(max((each for each in memory if each is not None), default=None)),
    )


def _total(arm: Arm, key: str) -> float:
    return sum(number(record.summary, key) or 0.0 for record in arm.records)
