"""Finds finished runs that a study can reuse: those with the same settings and fingerprints."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.errors import RunError
from medft.report.comparison.settings import trains
from medft.runs import RunDir, all_runs
from medft.runs.record import RunRecord
from medft.runs.values import flatten, mapping
from medft.study.expected import Expected


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run, as far as it can be recognized."""

    run: RunDir
    """Its folder."""
    settings: Mapping[str, object]
    """Those that have a part in what was trained, by dotted key."""
    fingerprints: Mapping[str, str]
    """Those that are known."""
    merged: bool
    """Whether its weights were merged, or could not be."""


def finished(artifacts: Path) -> list[Finished]:
    """Every finished run under ``artifacts``, newest first; one whose folder is damaged is none."""
    found = []
    for run in all_runs(artifacts):
        with contextlib.suppress(RunError):
            record = RunRecord(run)
            if run.summary.is_file() and run.adapter.is_dir():
                merged = bool(mapping(record.summary, "merge") or record.summary.get("merge_failed"))
                found.append(
                    Finished(run, _that_train(flatten(record.settings)), record.fingerprints, merged)
                )
    return found


def same(expected: Expected, seed: int, runs: Sequence[Finished]) -> RunDir | None:
    """The newest run that is what a cell with this seed would be: of equal settings, data, split,
    template and tokenizer, and merged where the cell is to be."""
    wanted = {**_that_train(expected.settings), "seed": seed}
    merges = expected.settings.get("merge") is True
    for each in runs:
        prints = {key: each.fingerprints.get(key) for key in expected.fingerprints}
        if prints == expected.fingerprints and (each.merged or not merges) and _equal(wanted, each.settings):
            return each.run
    return None


def begun(expected: Expected, run: RunDir) -> bool:
    """Whether an unfinished run, where it is there, can be resumed: on the same data, prompt and
    tokenizer."""
    if run.summary.is_file():
        return False  # it finished as something else
    known = RunRecord(run).fingerprints
    return all(known.get(key, value) == value for key, value in expected.fingerprints.items())


def _that_train(settings: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in settings.items() if trains(key)}


def _equal(wanted: Mapping[str, object], had: Mapping[str, object]) -> bool:
    """Whether two runs have the same settings. Where ``trainer.minutes`` sets the number of steps, they may
    have come to another one."""
    by_time = wanted.get("trainer.minutes") is not None
    keys = {*wanted, *had} - ({"trainer.max_steps"} if by_time else set())
    return all(wanted.get(key) == had.get(key) for key in keys)
