"""Finds runs, and resolves a run's name on the command line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from medft.errors import RunError
from medft.paths import expanded
from medft.runs.folder import RunDir, State

LATEST = "latest"
Latest = Literal["finished", "unfinished"]


def all_runs(artifacts: Path) -> list[RunDir]:
    """Every run folder under ``artifacts/runs`` and ``artifacts/sweeps``, newest first.

    Raises:
        RunError: ``artifacts`` is a file.
    """
    if artifacts.exists() and not artifacts.is_dir():
        raise RunError(
            "this is not a folder", where=str(artifacts), remedy="artifacts=<the folder of the runs>"
        )
    roots = [path.parent for top in ("runs", "sweeps") for path in (artifacts / top).glob("*/*/config.yaml")]
    named = [root for root in roots if not root.name.startswith(".")]  # others are being made or removed
    return [RunDir(root) for root in sorted(named, key=_when, reverse=True)]


def _when(root: Path) -> tuple[str, int, str]:
    """Sort key: the stamp, which for a job of a sweep is its parent's name, then the number of the job."""
    job = root.parent.parent.name == "sweeps"
    stamp, number = (root.parent.name, root.name) if job else (root.name, "")
    return stamp, int(number) if number.isdigit() else 0, str(root)


def find_run(name: str, artifacts: Path, latest: Latest = "finished") -> RunDir:
    """The run that ``name`` means: a folder, ``latest`` (the newest finished one), ``<part>/latest`` (the
    newest finished one whose name starts so), or an unambiguous part of
    ``<model>-<dataset>-<template>/<stamp>`` that starts one of its two parts.

    Args:
        name: what the command line says.
        artifacts: where runs lie.
        latest: which runs ``latest`` chooses among; the unfinished ones are those that can be resumed, newest
            by when they last did something.

    Raises:
        RunError: no such run, or several of that name.
    """
    if not name.strip():
        raise RunError("the run name is empty", remedy="see: medft runs")
    folder = expanded(name)
    if (folder / "config.yaml").is_file():
        return RunDir(folder)
    runs = all_runs(artifacts)
    part, _, last = name.rpartition("/")
    if last == LATEST:
        return _newest([run for run in runs if _names(run, part)], part, artifacts, latest)
    matches = [run for run in runs if _names(run, name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = "\n         ".join(str(run.root) for run in matches[:8])
        raise RunError(f"'{name}' matches {len(matches)} runs", where=listed, remedy="give a longer prefix")
    raise RunError(f"there is no run called '{name}'", where=str(artifacts), remedy="see: medft runs")


def _newest(runs: list[RunDir], part: str, artifacts: Path, which: Latest) -> RunDir:
    of = f" of '{part}'" if part else ""
    if which == "finished":
        if finished := [run for run in runs if run.summary.is_file()]:
            return finished[0]
        raise RunError(
            f"there is no finished run{of} yet", where=str(artifacts), remedy="medft train model=mistral"
        )
    left = [run for run in runs if _state_of(run) in ("interrupted", "failed", "killed")]
    if left:
        return max(left, key=_last_seen)
    raise RunError(
        f"there is no unfinished run{of} to resume",
        where=str(artifacts),
        remedy="see: medft runs",
    )


def _last_seen(run: RunDir) -> float:
    return (run.status if run.status.is_file() else run.config).stat().st_mtime


def _state_of(run: RunDir) -> State | None:
    """None where the folder is damaged: it hides no other."""
    with contextlib.suppress(RunError, OSError):
        return run.state()
    return None


def _names(run: RunDir, name: str) -> bool:
    return run.name.startswith(name) or run.root.name.startswith(name)
