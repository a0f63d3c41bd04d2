"""The folder of a study: one page as HTML and Markdown, its drawings, and the numbers as csv and LaTeX."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from medft.evaluation.report import NOT_ADVICE
from medft.files import write_text
from medft.report import svg
from medft.report.blocks import Block, Figure, Marked, Notice, Section, Table, Text
from medft.report.html import page
from medft.report.markdown import document
from medft.runs.record import FINGERPRINTS, RunRecord
from medft.study.cells import Trial
from medft.study.config import StudyConfig
from medft.study.folder import StudyDir
from medft.study.writing import (
    answers,
    checklist,
    conditions,
    curves,
    limits,
    methods,
    other_outcomes,
    primary,
    ratings,
    rows,
    subgroups,
    table,
    verdict,
)
from medft.study.writing.arms import Study
from medft.study.writing.checklist_facts import known
from medft.study.writing.other_outcomes import Others
from medft.study.writing.outcome import Outcome
from medft.study.writing.verdict import Judgment, Verdict, decide
from medft.study.writing.wording import command, without_folders

TWINS = (
    "Tiny twins were trained: these numbers show that the pipeline works, and say nothing about any "
    "real model."
)


def write_study(config: StudyConfig, folder: StudyDir, trials: Sequence[Trial]) -> Verdict:
    """Write study.html, study.md, study.csv, study.tex and figures/ from what the trials left.

    Args:
        config: the settings. folder: where it is written. trials: every run, finished or not.

    Returns:
        what the rules say.

    Raises:
        RunError: a run folder is damaged.
    """
    study = Study.of(config, folder, trials)
    found, rest = Outcome(study), Others(study)
    judgment = decide(found, rest)
    title = f"Study {config.name}"
    shown = list(_sections(found, rest, judgment))
    for section in shown:
        for block in section.blocks:
            if isinstance(block, Figure) and block.file:
                write_text(folder.root / block.file, svg.standalone(block.svg))
    write_text(folder.page("html"), page(title, shown))
    write_text(folder.page("md"), document(title, shown))
    write_text(folder.page("csv"), table.csv_of(found, rest))
    write_text(folder.page("tex"), table.latex_of(found, rest))
    return judgment.verdict


def _sections(found: Outcome, rest: Others, judgment: Judgment) -> Iterator[Section]:
    """The page in reading order: what came out, why it may be believed, how it was done."""
    study = found.study
    yield Section("", list(_opening(found)))
    yield verdict.section(judgment)
    yield primary.section(found)
    yield from other_outcomes.sections(rest)
    yield rows.contamination(study)
    named = [arm for arm in study.finished if arm.cell.label == judgment.verdict.cell]
    chosen = next(iter([*named, *study.finished]), None)
    if chosen and (parts := subgroups.section(study, chosen)) is not None:
        yield parts
    if chosen and (wider := conditions.section(chosen)) is not None:
        yield wider
    if (training := curves.section(study, study.folder.root)) is not None:
        yield training
    yield curves.cost(study)
    yield ratings.section(study)
    yield answers.section(study, chosen)
    yield rows.section(study)
    yield methods.section(study)
    yield limits.section(found)
    yield _repeat(study)
    yield from checklist.sections(known(found))


def _opening(found: Outcome) -> Iterator[Block]:
    study = found.study
    yield Notice(NOT_ADVICE)
    if any(arm.tiny for arm in study.arms):
        yield Notice(TWINS)
    if holes := list(study.holes()):
        yield Notice(
            f"{len(holes)} of {sum(len(arm.trials) for arm in study.arms)} runs are missing or incomplete."
        )
        yield Table(("cell", "run", "reason"), tuple(holes))


def _repeat(study: Study) -> Section:
    """The command, and which runs the page was made of."""
    folder = shlex.quote(study.folder.root.name)
    typed = without_folders(command(study.config.overrides))
    said = (
        f"medft replay study={folder} repeats every run and reports which were reproduced.\n"
        "Paths are shortened to their last name. study.yaml in the study's folder holds all settings, "
        "plan.json what was expected before the first run."
    )
    prints = tuple(
        (arm.name, str(trial.seed), trial.state, "yes" if trial.reused else "no", *_prints(trial))
        for arm in study.arms
        for trial in arm.trials
    )
    return Section(
        "How to repeat it",
        [
            Marked(((typed, ""),)),
            Text(said),
            Table(("cell", "seed", "state", "reused", "run", *FINGERPRINTS), prints),
        ],
    )


def _prints(trial: Trial) -> list[str]:
    known_prints = RunRecord(trial.run).fingerprints
    return [trial.run.name, *(known_prints.get(kind, "-")[:8] for kind in FINGERPRINTS)]
