"""Selects the curves of a comparison: runs by folder, name, sweep or pattern, and csv files of other
trainers."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from medft.errors import RunError
from medft.explain import explained
from medft.paths import expanded
from medft.report.subject import Subject, of_file, of_run
from medft.runs import RunDir, all_runs, find_run

WILD = "*?["


def select(words: Sequence[str], artifacts: Path) -> tuple[list[Subject], list[str]]:
    """The subjects that ``words`` mean, each once; no word means every finished run.

    A word is a run (folder or name, as anywhere), a folder of runs (a sweep, also by its name alone), a
    pattern with * or ? over ``<model>-<dataset>-<template>/<stamp>``, or a csv file.

    Returns:
        the subjects, in the order of the words and newest first within a word, and what was left out and why.

    Raises:
        RunError: a word means nothing, or nothing was found at all.
        DataError: a run or file that was named by itself has no readable losses.
    """
    if not words:
        finished = [run for run in all_runs(artifacts) if run.summary.is_file()]
        found: dict[Path, RunDir | None] = {run.root.resolve(): run for run in finished}
        several = set(found)
    else:
        found, several = _meant_by(words, artifacts)
    subjects, left_out = [], []
    for path, run in found.items():
        try:
            subjects.append(of_run(run) if run else of_file(path))
        except Exception as error:  # whatever is wrong with one folder hides none of the others
            known = explained(error)
            if path not in several:
                raise known from error
            left_out.append(f"{path.parent.name}/{path.name}: {known.what}")
    if not subjects:
        raise RunError(
            "there is nothing to compare" + "".join(f"\n  {line}" for line in left_out),
            where=str(artifacts),
            remedy="medft runs lists runs; medft train model=mistral creates one",
        )
    return subjects, left_out


def runs_meant(words: Sequence[str], artifacts: Path) -> list[RunDir]:
    """The runs that ``words`` mean, each once: as for ``select``, without files.

    Raises:
        RunError: a word means nothing.
    """
    found = _meant_by(words, artifacts)[0]
    if files := [str(path) for path, run in found.items() if run is None]:
        raise RunError("a csv file of losses is not a run", where=", ".join(files), remedy="medft runs")
    return [run for run in found.values() if run is not None]


def _meant_by(words: Sequence[str], artifacts: Path) -> tuple[dict[Path, RunDir | None], set[Path]]:
    """Folder or file of each subject in order, and those that were found rather than named by themselves."""
    found: dict[Path, RunDir | None] = {}
    several: set[Path] = set()
    for word in words:
        path = expanded(word)
        if path.is_file() or path.suffix.lower() == ".csv":
            found.setdefault(path.resolve(), None)
            continue
        runs = _runs(word, artifacts)
        found |= {run.root.resolve(): run for run in runs if run.root.resolve() not in found}
        if len(runs) > 1:
            several |= {run.root.resolve() for run in runs}
    return found, several


def _runs(word: str, artifacts: Path) -> list[RunDir]:
    if any(mark in word for mark in WILD) and not Path(word).exists():
        return _matching(word, artifacts)
    for folder in (expanded(word), artifacts / "sweeps" / word, artifacts / "runs" / word):
        inside = sorted(folder.glob("*/config.yaml"), key=lambda path: path.parent.name, reverse=True)
        if inside and not (folder / "config.yaml").is_file():
            return [RunDir(path.parent) for path in inside]
    return [find_run(word, artifacts)]


def _matching(pattern: str, artifacts: Path) -> list[RunDir]:
    runs = [run for run in all_runs(artifacts) if _matches(run, pattern)]
    if not runs:
        raise RunError(f"no run matches '{pattern}'", where=str(artifacts), remedy="see: medft runs")
    return runs


def _matches(run: RunDir, pattern: str) -> bool:
    group = run.root.parent.name
    names = (group, f"{group}/{run.root.name}", run.root.name, str(run.root))
    return any(fnmatchcase(name, pattern) for name in names)
