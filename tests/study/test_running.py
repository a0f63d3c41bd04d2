"""How a study's runs are found, started, gone on with and told of, with stand-ins for ``medft train``."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medft.compose import settings
from medft.prompt.config import TemplateConfig
from medft.screen import Screen
from medft.study import running
from medft.study.cells import Trial, cells
from medft.study.config import StudyConfig
from medft.study.expected import Expected
from medft.study.folder import StudyDir
from medft.sweep import job
from medft.sweep.folder import SweepDir

PRINTS = {"data": "one", "split": "two"}
STAND_IN = """
import json, pathlib, sys
run, words = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
run.mkdir(parents=True, exist_ok=True)
(run / "ledger.json").write_text(json.dumps({"fingerprints": {"data": "one", "split": "two"}}))
words = dict(word.split("=", 1) for word in words)
if words["model"] == "gemma":
    sys.exit("error: no room for gemma")
(run / "config.yaml").write_text(json.dumps({"model": {"name": words["model"]}, "seed": int(words["seed"])}))
(run / "adapter").mkdir(exist_ok=True)
(run / "summary.json").write_text(json.dumps({"merge": {}}))
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """The numbers of the jobs that were started."""
    numbers: list[int] = []

    def command(folder: SweepDir, one: job.Job, again: bool) -> list[str]:
        numbers.append(one.number)
        return ["-c", STAND_IN, str(folder.run(one.number).root), json.dumps(one.overrides)]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "_command", command)
    monkeypatch.setattr(job, "_POLL", 0.02)
    return numbers


def study(*more: str) -> StudyConfig:
    words = ["name=mine", "models=[mistral,gemma]", "datasets=[sample]", "seeds=[1]", *more]
    config: StudyConfig = settings("study", words)
    return config


def expected(config: StudyConfig, prints: dict[str, str] = PRINTS) -> list[Expected]:
    def of(cell: Any) -> Expected:
        known = {"model.name": cell.model, "seed": 1}
        template = TemplateConfig(name="x", tasks={})
        return Expected(cell, known, prints, 1, 1, None, None, 0, (), template, True, [], [])

    return [of(cell) for cell in cells(config)]


def trained(config: StudyConfig, folder: StudyDir, prints: dict[str, str] = PRINTS) -> list[Trial]:
    of = expected(config, prints)
    assert running.train(config, folder, running.standing(config, of, folder), Screen(quiet=True))
    return running.standing(config, of, folder)


def test_a_failed_cell_is_a_hole_with_its_reason_and_is_tried_again(
    started: list[int], tmp_path: Path
) -> None:
    config, folder = study(), StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    found = trained(config, folder)
    assert [(trial.state, trial.reason) for trial in found] == [
        ("finished", ""), ("failed", "no room for gemma"),
    ]  # fmt: skip
    assert not found[0].reused and started == [0, 1]
    trained(config, folder)
    assert started == [0, 1, 1]


def test_another_seed_is_added_and_another_study_reuses(started: list[int], tmp_path: Path) -> None:
    folder = StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    first = trained(study("models=[mistral]"), folder)
    assert [trial.seed for trial in trained(study("models=[mistral]", "seeds=[1,2]"), folder)] == [1, 2]
    assert started == [0, 1]
    other = study("name=other", "models=[mistral]")
    [reused] = trained(other, StudyDir(tmp_path / "artifacts" / "studies" / "other"))
    assert reused.reused and reused.run == first[0].run and started == [0, 1]


def test_other_data_is_trained_anew_beside_what_was_begun(started: list[int], tmp_path: Path) -> None:
    config, folder = study("models=[gemma]"), StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    trained(config, folder)
    trained(config, folder, {**PRINTS, "data": "changed"})
    assert started == [0, 1]


def test_no_run_starts_when_the_hours_are_spent(started: list[int], tmp_path: Path) -> None:
    config, folder = study("models=[gemma]", "hours=1"), StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    trained(config, folder)
    assert folder.sweep is not None
    folder.sweep.mark(0, "to do", 3600)
    [trial] = trained(config, folder)
    assert started == [0] and trial.state == "to do"
    assert trial.reason == "not started: the study's time budget is spent"


def test_an_evaluation_that_fails_is_told_of_every_run(started: list[int], tmp_path: Path) -> None:
    config, folder = study("models=[mistral]"), StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    found = trained(config, folder)
    ended, [trial] = running.evaluate(config, folder, found, Screen(quiet=True))
    assert ended and trial.state == "failed" and trial.reason.startswith("not evaluated on heldout: ")
    assert replace(trial, state="finished", reason="") == found[0]


def test_a_run_that_a_killed_study_left_behind_is_waited_for(
    started: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_POLL", 0.02)
    config, folder = study("models=[gemma]"), StudyDir(tmp_path / "artifacts" / "studies" / "mine")
    trained(config, folder)
    assert folder.sweep is not None
    folder.sweep.mark(0, "running")
    with folder.sweep.log(0).open("a") as log:  # as its process holds it, until it ends
        assert job.take(log)
        later = threading.Timer(0.5, log.close)
        later.start()
        before = time.monotonic()
        trained(config, folder)
        assert time.monotonic() - before > 0.5 and not later.is_alive()
    assert started == [0, 0]
