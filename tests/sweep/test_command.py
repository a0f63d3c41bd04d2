"""``medft train -m`` as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.cli import main
from medft.models.tiny import Twin
from medft.sweep.folder import SweepDir


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["model=gemma,mistral", "trainer.learning_rat=1e-4"], "Did you mean 'trainer.learning_rate'"),
        (["model=gemma,mistrall"], "unknown model 'mistrall'. Did you mean 'mistral'?"),
        (["seed=1,x"], "'seed' must be a whole number"),
        (["seed=interval(1,3)"], "hydra/sweeper=optuna"),
        (["hydra/launcher=jobib", "seed=1,2"], "unknown hydra/launcher 'jobib'. Did you mean 'joblib'?"),
        (["hydra/sweeper=optuna", "trainer.learning_rate=interval(-1,1)"], "must be above 0"),
        (["sweep.resume=nowhere"], "index.json is missing"),
        (["sweep.resume=nowhere", "seed=2"], "takes no other settings: seed=2"),
        (["seed=1,2", "--dry"], "knows no flag '--dry'"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_job_starts(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-m", *arguments]) in (1, 2)
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_another_command_has_no_multirun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "-m", "limit=1,2"]) == 2
    assert "'medft runs' has no multirun" in capsys.readouterr().err


def sweep(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medft", "train", "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_two_jobs_in_parallel_of_which_one_fails(tmp_path: Path, twins: Callable[[str], Twin]) -> None:
    shutil.copytree(twins("mistral").root, tmp_path / "artifacts" / "tiny" / twins("mistral").root.name)
    done = sweep(
        tmp_path, "scale=tiny", "trainer.max_steps=2", "trainer.eval_steps=2", "merge=false",
        "logger.wandb=off", "trainer.max_length=8,512", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[0] trainer.max_length=8: FAILED" in done.stdout
    assert "error: no training row keeps an answer token" in done.stdout
    assert "[1] trainer.max_length=512: done in" in done.stdout
    assert done.stdout.rstrip().endswith("medft train -m sweep.resume=sweep")
    index = json.loads((tmp_path / "sweep" / "index.json").read_text())
    assert [job["state"] for job in index["jobs"]] == ["failed", "done"]
    folder = SweepDir(tmp_path / "sweep")
    assert folder.run(1).state() == "finished"
    assert json.loads(folder.run(1).summary.read_text())["sweep"] == "sweep"

    before = folder.run(1).summary.stat().st_mtime_ns
    again = sweep(tmp_path, "sweep.resume=sweep")  # only what is missing
    assert again.returncode == 1
    assert "[1]" not in again.stdout
    assert folder.run(1).summary.stat().st_mtime_ns == before
