"""A study's finished runs, each run again in a process of its own: which came out the same?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medft.errors import RunError
from medft.files import read_json
from medft.format import UNKNOWN
from medft.report.blocks import Table
from medft.runs import RunDir
from medft.runs.values import mappings, text
from medft.screen import Screen
from medft.study.cells import Trial
from medft.study.folder import StudyDir

_FOUND = "replay.json"
_STOPPED = 130


@dataclass(frozen=True, slots=True)
class Repeated:
    """One run of a study, run again."""

    trial: Trial
    """The run."""
    place: RunDir
    """Where it was run again."""
    agrees: bool
    """Whether it came out the same."""
    differs: str
    """What did not agree, or why it could not be run again; empty where everything did."""


def replay(folder: StudyDir, words: Sequence[str], screen: Screen) -> list[Repeated]:
    """Run every finished run of a study again, those left out that an earlier replay has done.

    Args:
        folder: the study's. words: further settings of `medft replay`. screen: told of every run.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    finished = [trial for trial in folder.trials() if trial.run.summary.is_file()]
    if not finished:
        raise RunError("no run of the study has finished", where=str(folder.root))
    found = []
    for number, trial in enumerate(finished, 1):
        screen.line("replay", f"{number} of {len(finished)}: {trial.cell.label}, seed {trial.seed}")
        place = RunDir(folder.root / "replay" / f"{trial.run.root.parent.name}-{trial.run.root.name}")
        if not (place.root / _FOUND).is_file():
            _again(trial.run, place, words, folder.root / "replay" / f"{place.root.name}.log")
        found.append(_read(trial, place))
    return found


def as_table(found: Sequence[Repeated]) -> Table:
    """A row for every run."""
    rows = [
        (each.trial.cell.label, str(each.trial.seed), "yes" if each.agrees else "NO", each.differs or UNKNOWN)
        for each in found
    ]
    return Table(("cell", "seed", "the same", "what is not"), tuple(rows))


def _again(first: RunDir, place: RunDir, words: Sequence[str], log: Path) -> None:
    if place.root.exists():  # of a replay that was killed
        shutil.rmtree(place.root)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "medft", "replay", f"run='{first.root}'", f"run_dir='{place.root}'"]
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(
            [*command, *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
        ).returncode
    if code == _STOPPED:
        raise KeyboardInterrupt("run the same command again to resume the replay")


def _read(trial: Trial, place: RunDir) -> Repeated:
    file = place.root / _FOUND
    if not file.is_file():
        log = place.root.with_name(f"{place.root.name}.log")
        return Repeated(trial, place, False, f"it could not be repeated: {log}")
    written = read_json(file)
    differs = [
        text(row.get("what"))
        for row in mappings(written, "findings")
        if row.get("agrees") is False and row.get("counts") is True
    ]
    return Repeated(trial, place, written.get("agrees") is True, ", ".join(differs))
