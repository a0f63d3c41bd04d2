"""A study's folder: its settings, its plan, the state of every run, and the reports.

artifacts/studies/<name>/
  study.yaml       the settings
  plan.json        what was expected before the first run
  trials.json      every run with its state
  evaluation/      the index and the logs of what was asked
  study.html ...   what was found
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from medft.aliases import Json
from medft.config import build, plain
from medft.errors import RunError
from medft.files import read_json, write_json, write_text
from medft.runs import RunDir
from medft.runs.record import read_mapping
from medft.study.cells import Cell, Trial
from medft.study.config import StudyConfig
from medft.sweep.folder import SweepDir

_PLACES = ("overrides", "plan_only", "artifacts", "processed", "launch", "hours")
"""Settings that do not say what is studied."""


@dataclass(frozen=True, slots=True)
class StudyDir:
    """The folder of one study."""

    root: Path
    """``artifacts/studies/<name>``"""

    @property
    def quoted(self) -> str:
        """``root`` as a shell wants it typed."""
        return shlex.quote(str(self.root))

    @property
    def settings(self) -> Path:
        """The settings as composed."""
        return self.root / "study.yaml"

    @property
    def plan(self) -> Path:
        """What was expected before the first run."""
        return self.root / "plan.json"

    @property
    def index(self) -> Path:
        """Every run with its state."""
        return self.root / "trials.json"

    @property
    def evaluation(self) -> Path:
        """The index and the logs of what was asked."""
        return self.root / "evaluation"

    @property
    def figures(self) -> Path:
        """Drawings."""
        return self.root / "figures"

    def page(self, suffix: str) -> Path:
        """study.html, study.md, study.csv, study.tex."""
        return self.root / f"study.{suffix}"

    @property
    def sweep(self) -> SweepDir | None:
        """The sweep that the study's own runs are jobs of; None before the first of them."""
        if not self._training.is_file():
            return None
        root = Path(str(read_json(self._training).get("sweep")))
        return SweepDir(root) if root.is_dir() else None

    def write_sweep(self, sweep: SweepDir) -> None:
        """Write down the sweep that the study's own runs are jobs of."""
        write_json(self._training, {"sweep": str(sweep.root)})

    @property
    def _training(self) -> Path:
        return self.root / "training.json"

    def write_settings(self, config: StudyConfig) -> None:
        """Write down the settings."""
        write_text(self.settings, yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True))

    def config(self) -> StudyConfig:
        """The settings.

        Raises:
            RunError: this is no study's folder.
        """
        values = read_mapping(self.settings)
        if not values:
            raise RunError("study.yaml is missing", where=str(self.root), remedy="is this a study's folder?")
        return build(StudyConfig, values)

    def changed(self, config: StudyConfig) -> list[str]:
        """In which settings the study differs from what it was when it last ran; empty for a new one."""
        if not self.settings.is_file():
            return []
        before, now = read_mapping(self.settings), plain(config)
        keys = [key for key in now if key not in _PLACES and before.get(key) != now[key]]
        return [f"{key}: {_shown(before.get(key))} -> {_shown(now[key])}" for key in keys]

    def write_plan(self, plan: Json) -> None:
        """Write down what is expected."""
        write_json(self.plan, plan)

    def write_trials(self, trials: Sequence[Trial]) -> None:
        """Write down how every run stands."""
        rows = [{**asdict(trial), "run": str(trial.run.root)} for trial in trials]
        write_json(self.index, {"trials": rows})

    def trials(self) -> list[Trial]:
        """Every run as it stood when the study last looked.

        Raises:
            RunError: the index is missing or damaged.
        """
        try:
            return [_trial(row) for row in read_json(self.index)["trials"]]
        except (KeyError, TypeError) as error:
            raise RunError(
                f"trials.json is damaged: {error}", where=str(self.root), remedy="run the study again"
            ) from None


def find_study(name: str, artifacts: Path) -> StudyDir:
    """The study of that name, or in that folder.

    Raises:
        RunError: there is none.
    """
    for root in (artifacts / "studies" / name, Path(name)):
        if StudyDir(root).settings.is_file():
            return StudyDir(root)
    there = sorted(path.parent.name for path in (artifacts / "studies").glob("*/study.yaml"))
    known = f"studies: {', '.join(there)}" if there else "medft study study=two_twins creates one"
    raise RunError(f"there is no study '{name}'", where=str(artifacts / "studies"), remedy=known)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _trial(row: dict[str, Any]) -> Trial:
    cell = Cell(**{**row["cell"], "overrides": tuple(row["cell"]["overrides"])})
    return Trial(**{**row, "cell": cell, "run": RunDir(Path(row["run"]))})
