"""medft runs: the runs there are, newest first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from medft.checked import Count
from medft.errors import DataError
from medft.explain import explained
from medft.files import folder_size
from medft.format import UNKNOWN, count, decimal, duration, size
from medft.report.blocks import Table
from medft.report.series import read_curve
from medft.runs import RunDir, State, all_runs
from medft.runs.record import RunRecord
from medft.runs.values import number
from medft.screen import Screen

EXAMPLES = (
    "medft runs",
    "medft runs models=mistral state=finished limit=5",
    "medft runs 'datasets=med*' format=json",
)

_WIDE = 90
"""Columns of a terminal that takes the whole table."""


@dataclass(frozen=True, slots=True)
class RunsConfig:
    """Which runs to list, and how."""

    models: str | None = None
    """Only runs of this model; * and ? match any text, as in the next two."""
    datasets: str | None = None
    """Only runs on this data set."""
    templates: str | None = None
    """Only runs with this prompt template."""
    state: State | None = None
    """Only runs in this state: finished, running, interrupted, failed or killed."""
    limit: Count | None = 20
    """Maximum number of runs; null: all."""
    format: Literal["table", "json"] = "table"
    """text for people, json for programs."""
    artifacts: Path = Path("artifacts")
    """Folder of the runs."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run in the list; None where something is unknown."""

    run: str
    """Its stamp, which names it: the folder's own name, below the sweep's in a sweep."""
    folder: str
    """Where it lies."""
    state: State | Literal["unreadable"] = "unreadable"
    """How it stands."""
    model: str = ""
    """Base model."""
    dataset: str = ""
    """Data set."""
    template: str = ""
    """Prompt template."""
    tiny: bool = False
    """Whether a tiny twin stood in for the base."""
    steps: int | None = None
    """Optimiser steps so far."""
    validation_loss: float | None = None
    """Last one, in nats per token."""
    bits_per_byte: float | None = None
    """Bits per byte of the validation answers."""
    seconds: float | None = None
    """Training time."""
    bytes: int | None = None
    """What its folder takes on the disk."""
    problem: str = ""
    """Why it cannot be read."""


def run(config: RunsConfig) -> None:
    """Find the runs, keep those that match, show them."""
    runs = all_runs(config.artifacts)
    rows = [row for row in map(describe, runs) if _wanted(row, config)]
    shown = rows[: config.limit]
    if config.format == "json":
        print(json.dumps([asdict(row) for row in shown], indent=2, ensure_ascii=False))
        return
    if not shown:
        print(_nothing(len(runs), config.artifacts))
        return
    screen, table = Screen(), _table(shown)
    narrow = screen.width is not None and screen.width < _WIDE
    shown_columns = table.only([name for name in table.columns if name != "time"]) if narrow else table
    screen.table(shown_columns.columns, shown_columns.rows, wrap=("model", "data", "template"))
    if narrow:
        print(f"\n  a terminal of {_WIDE} columns, or format=json, also shows times")
    for row in shown:
        if row.problem:
            print(f"\n  {row.run}: {row.problem}")
    if len(shown) < len(rows):
        print(f"\n  {len(shown)} of {len(rows)} runs   limit=null lists all")


def describe(run: RunDir) -> ListedRun:
    """What the list says of a run; one whose folder cannot be read is listed with the reason."""
    job = run.root.parent.parent.name == "sweeps"
    row = ListedRun(run.name if job else run.root.name, str(run.root), bytes=_bytes(run))
    record = RunRecord(run)
    try:
        identity, results, state = record.identity, record.summary or _so_far(run), run.state()
    except Exception as error:  # whatever is wrong with one folder hides none of the others
        return replace(row, problem=explained(error).what)
    steps = number(results, "steps")
    return replace(
        row,
        state=state,
        steps=None if steps is None else int(steps),
        validation_loss=number(results, "validation_loss"),
        bits_per_byte=number(results, "bits_per_byte"),
        seconds=number(results, "seconds"),
        **asdict(identity),
    )


def _bytes(run: RunDir) -> int | None:
    """None where the folder changes while it is looked at, or may not be read."""
    try:
        return folder_size(run.root)
    except OSError:
        return None


def _so_far(run: RunDir) -> dict[str, float | None]:
    """The results of an unfinished run, from the losses that it has logged."""
    try:
        curve = read_curve(run.loss_csv)
    except DataError:
        return {}
    return {
        "steps": float(curve.rows["step"].max()),
        "validation_loss": curve.last("validation", "loss"),
        "bits_per_byte": curve.last("validation", "bits_per_byte"),
        "seconds": curve.last("train", "seconds"),
    }


def _wanted(row: ListedRun, config: RunsConfig) -> bool:
    pairs = ((row.model, config.models), (row.dataset, config.datasets), (row.template, config.templates))
    named = all(pattern is None or fnmatchcase(name, pattern) for name, pattern in pairs)
    return named and config.state in (None, row.state)


def _table(rows: Sequence[ListedRun]) -> Table:
    templates = len({row.template for row in rows}) > 1
    head = (
        "run",
        "state",
        "model",
        "data",
        *(("template",) * templates),
        "steps",
        "val loss",
        "bits/byte",
        "time",
        "disk",
    )
    return Table(head, tuple(_cells(row, templates) for row in rows))


def _cells(row: ListedRun, templates: bool) -> tuple[str, ...]:
    return (
        row.run,
        row.state,
        f"{row.model} (tiny)" if row.tiny else row.model or UNKNOWN,
        row.dataset or UNKNOWN,
        *((row.template or UNKNOWN,) * templates),
        count(row.steps),
        decimal(row.validation_loss),
        decimal(row.bits_per_byte),
        duration(row.seconds),
        UNKNOWN if row.bytes is None else size(row.bytes),
    )


def _nothing(there: int, artifacts: Path) -> str:
    if there:
        return f"none of {there} runs in {artifacts} matches"
    return f"no runs in {artifacts} yet      medft train model=mistral   makes one"
