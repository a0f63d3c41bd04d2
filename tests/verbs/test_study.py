"""medft study, from one file to its verdict, on tiny twins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from medft.cli import main
from medft.files import read_json
from medft.overrides import latest
from medft.study.folder import StudyDir
from medft.sweep.folder import SweepDir
from tests.support.process import MEDFT, ROOT
from tests.support.trained_run import share_twins

SMALL = (
    "study=two_twins",
    "settings=scale=tiny dataset.split.test=0.2 trainer.max_steps=2 trainer.warmup_steps=1 merge=false",
    "suite_settings=suite.heldout.limit=32 suite.heldout.max_new_tokens=4 suite.scope.limit=6 "
    "suite.scope.max_new_tokens=4",
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "artifacts").mkdir()
    share_twins(tmp_path / "artifacts" / "tiny")
    return tmp_path


def _killed_in_its_second_run(place: Path) -> SweepDir:
    """Start a study, and kill it and all it started once the first run has finished."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    study = subprocess.Popen([*MEDFT, "study", *SMALL], cwd=place, env=environment, stdout=subprocess.DEVNULL)
    training = place / "artifacts" / "studies" / "two_twins" / "training.json"
    end = time.monotonic() + 240
    while time.monotonic() < end and study.poll() is None:
        time.sleep(0.1)
        if training.is_file():
            sweep = SweepDir(place / read_json(training)["sweep"])
            if sweep.run(0).summary.is_file() and sweep.process(1).is_file():
                break
    assert study.poll() is None, "the study ended before it could be killed"
    study.send_signal(signal.SIGKILL)
    os.killpg(int(sweep.process(1).read_text().split()[1]), signal.SIGKILL)
    study.wait()
    return sweep


def test_a_killed_study_goes_on_and_trains_nothing_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = _killed_in_its_second_run(place)
    before = sweep.run(0).summary.stat().st_mtime_ns
    monkeypatch.chdir(place)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, said = main(["study", *SMALL]), capsys.readouterr().out
    assert code == 3, said  # twins never ship
    assert "2, of cells 2 x seeds 1; there already: 1" in said
    assert sweep.run(0).summary.stat().st_mtime_ns == before
    folder = StudyDir(place / "artifacts" / "studies" / "two_twins")
    found = folder.trials()
    assert [trial.state for trial in found] == ["finished", "finished"]
    items = [{row["item"] for row in _items(place / trial.run.root)} for trial in found]
    assert items[0] == items[1] and len(items[0]) > 5
    assert read_json(folder.plan)["power"]["tests"] == 3
    assert folder.page("html").is_file() and "verdict Do not ship" in said

    assert main(["study", *SMALL, "name=other", "models=[gemma]", "seeds=[1,2]", "plan_only=true"]) == 0
    said = capsys.readouterr().out
    assert "2, of cells 1 x seeds 2; there already: 1" in said
    assert "reused  gemma × sample × medical_qa, seed 1" in said
    assert not (place / "artifacts" / "studies" / "other" / "evaluation").exists()


def _items(run: Path) -> list[dict[str, str]]:
    lines = (run / "evaluation" / "heldout.answers.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["suite_settings=suite.heldout.limit=3"],
            "2 independent items of the primary outcome are too few for any comparison",
        ),
        (["where.gemma=dataset.path=nowhere.jsonl"], "1 cell cannot run here; nothing was started"),
        (["settings=trainer.max_step=2"], "2 of 2 cells cannot run here"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(place)
    assert main(["study", *latest([*SMALL, *words])]) == 2
    assert said in capsys.readouterr().err
    assert not (place / "artifacts" / "sweeps").exists()
