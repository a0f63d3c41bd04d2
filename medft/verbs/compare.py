"""medft compare: curves, metrics and suites of several runs in one plot, one table and one page."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medft.evaluation import between
from medft.files import stamp
from medft.report.blocks import Section, Table, Text
from medft.report.comparison.page import NAME, write_comparison
from medft.report.comparison.result import Axis, Comparison
from medft.report.comparison.rules import compare
from medft.report.comparison.selection import select
from medft.report.comparison.tables import pairs, results
from medft.runs import RunDir
from medft.runs.record import RunRecord
from medft.screen import Screen, printable

SHOWN = ("run", "evaluated on", "bits per byte", "validation loss", "train loss", "steps", "time")
"""Columns on the terminal; the page and the csv file have all."""
HOW_SUITES = (
    "Values with their 95% intervals; where a model was trained with several seeds, mean ± standard "
    "deviation over its seeds. suites.csv and suites.tex hold this table for a paper."
)
HOW_PAIRS = (
    "Second minus first, on the items that both answered, scores averaged over seeds; each with its "
    "own 95% interval, verdict after Holm's correction for all tests of this table. "
    "docs/evaluation.md says how."
)
MOST_ROWS = 30
"""Rows of the suites' tables on the terminal."""
MOST_PAIRS = 10
"""Tests on the terminal."""
EXAMPLES = (
    "medft compare",
    "medft compare runs=[latest,20261120-101500] x=tokens",
    "medft compare 'runs=mistral*' metric=loss",
    "medft compare runs=artifacts/sweeps/20261120-101500",
    "medft compare runs=[gemma_loss.csv,llama2_loss.csv]   # Step,Loss files of another trainer",
)


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """What is compared, and on which axes."""

    runs: str | tuple[str, ...] = ()
    """Runs by folder or name, sweeps, patterns (`mistral*`), csv files (Step,Loss); empty: all finished
    runs."""
    x: Axis = "step"
    """Horizontal axis: step, tokens or seconds."""
    metric: Literal["auto", "bits_per_byte", "loss"] = "auto"
    """Vertical axis; auto: bits per byte if measured, otherwise loss, with one panel per tokenizer."""
    title: str | None = None
    """Title of the plot and the page; null: the number of runs."""
    seed: int = 3407
    """Seeds the permutations of the tests between models."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs, where compare/<stamp>/ is written too."""


def run(config: CompareConfig) -> None:
    """Find the runs, arrange them, write the folder, show the table.

    Raises:
        RunError: no such run, or nothing to compare.
        ConfigError: no run has values for the axes that were asked for.
    """
    words = (config.runs,) if isinstance(config.runs, str) else config.runs
    subjects, left_out = select(words, config.artifacts)
    comparison = compare(subjects, config.x, None if config.metric == "auto" else config.metric)
    title = printable(config.title or "") or _title(comparison)
    suites = _suites(comparison, config.seed)
    folder = write_comparison(
        comparison, config.artifacts / "compare" / stamp(), title, suites.sections, suites.files
    )
    screen = Screen()
    screen.title(title, str(folder))
    screen.say("")
    _show(screen, comparison)
    for table in suites.tables:
        screen.say("")
        screen.table(table.columns, table.rows[:MOST_ROWS], wrap=table.columns)
        if len(table.rows) > MOST_ROWS:
            screen.say(f"{len(table.rows) - MOST_ROWS} more rows in {NAME}.html and {NAME}.md")
    screen.say("")
    for text in (*comparison.warnings, *comparison.notes, *suites.notes):
        screen.line("note", text)
    for text in left_out:
        screen.line("left out", text)
    screen.line("wrote", ", ".join([f"{folder / NAME}.html, .png, .svg, .csv, .md", *suites.files]))


@dataclass(frozen=True, slots=True)
class Suites:
    """What the runs of a comparison answered, for the page, the screen and a paper."""

    sections: tuple[Section, ...] = ()
    """For the page."""
    tables: tuple[Table, ...] = ()
    """For the screen."""
    files: Mapping[str, str] = field(default_factory=dict)
    """For a paper, by name."""
    notes: tuple[str, ...] = ()
    """What must be said of the items."""


def _suites(comparison: Comparison, seed: int) -> Suites:
    """The suites of all lines that have run folders; nothing where none was evaluated."""
    models = [
        between.Contender(line.label, tuple(RunRecord(RunDir(run.path)) for run in members))
        for line in comparison.lines
        if (members := [run for run in comparison.members(line) if run.state != "file"])
    ]
    models = [model for model in models if model.figures]
    results_of = between.results(between.with_bases(models))
    if results_of is None:
        return Suites()
    found, notes = between.differences(itertools.combinations(models, 2), seed)
    sections, tables = [Section("Suites", [results_of, Text(HOW_SUITES)])], [results_of]
    if found:
        tables.append(between.table(found))
        said = Text("\n".join([HOW_PAIRS, *notes]))
        sections.append(Section("Differences between models on the same items", [tables[-1], said]))
    files = {"suites.csv": between.to_csv(results_of), "suites.tex": between.to_latex(results_of)}
    return Suites(tuple(sections), tuple(tables), files, tuple(notes))


def _title(comparison: Comparison) -> str:
    runs, lines = len(comparison.subjects), len(comparison.lines)
    if runs == 1:
        return comparison.subjects[0].identity.title
    return f"{runs} runs" + (f" of {lines} configurations" if lines < runs else "")


def _show(screen: Screen, comparison: Comparison) -> None:
    table = results(comparison).only(SHOWN)
    screen.table(table.columns, table.rows, wrap=table.columns)
    if (tests := pairs(comparison)) is not None:
        screen.say("")
        screen.table(tests.columns, tests.rows[:MOST_PAIRS], wrap=("first vs second",))
        if len(tests.rows) > MOST_PAIRS:
            screen.say(f"{len(tests.rows) - MOST_PAIRS} more pairs in {NAME}.html and {NAME}.md")
