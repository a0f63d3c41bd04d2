"""medft compare: curves and metrics of several runs in one plot, one table and one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medft.files import stamp, unused
from medft.report.comparison.page import NAME, write_comparison
from medft.report.comparison.result import Axis, Comparison
from medft.report.comparison.rules import compare
from medft.report.comparison.selection import select
from medft.report.comparison.tables import pairs, results
from medft.screen import Screen

SHOWN = ("run", "evaluated on", "bits per byte", "validation loss", "train loss", "steps", "time")
"""Columns on the terminal; the page and the csv file have all."""
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
    """What is compared, and along which axes."""

    runs: str | tuple[str, ...] = ()
    """Runs by folder or name, sweeps, patterns (`mistral*`), csv files (Step,Loss); empty: every finished
    run."""
    x: Axis = "step"
    """Horizontal axis: step, tokens or seconds."""
    metric: Literal["auto", "bits_per_byte", "loss"] = "auto"
    """Vertical axis; auto is bits per byte where it was measured, else loss, one panel per tokenizer."""
    title: str | None = None
    """Title of the plot and the page; null counts the runs."""
    artifacts: Path = Path("artifacts")
    """Where runs are looked for, and where compare/<stamp>/ is written."""


def run(config: CompareConfig) -> None:
    """Find the runs, arrange them, write the folder, show the table.

    Raises:
        RunError: no such run, or nothing to compare.
        ConfigError: no run has values for the axes that were asked for.
    """
    words = (config.runs,) if isinstance(config.runs, str) else config.runs
    subjects, left_out = select(words, config.artifacts)
    comparison = compare(subjects, config.x, None if config.metric == "auto" else config.metric)
    title = config.title or _title(comparison)
    folder = write_comparison(comparison, unused(config.artifacts / "compare" / stamp()), title)
    screen = Screen()
    screen.title(title, str(folder))
    screen.say("")
    _show(screen, comparison)
    screen.say("")
    for text in (*comparison.warnings, *comparison.notes):
        screen.line("note", text)
    for text in left_out:
        screen.line("left out", text)
    screen.line("wrote", f"{folder / NAME}.html, .png, .svg, .csv, .md")


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
