"""``medft train -m`` as a user meets it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft.cli import main
from medft.models.tiny import Twin
from medft.paths import samples_dir
from medft.sweep import job
from medft.sweep.folder import SweepDir
from tests.support.process import medft


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["model=gemma,mistral", "trainer.learning_rat=1e-4"], "Did you mean 'trainer.learning_rate'"),
        (["model=gemma,mistrall"], "unknown model 'mistrall'. Did you mean 'mistral'?"),
        (["seed=1,x"], "'seed' must be a whole number"),
        (["seed=interval(1,3)"], "hydra/sweeper=optuna"),
        (["hydra/launcher=jobib", "seed=1,2"], "unknown hydra/launcher 'jobib'. Did you mean 'joblib'?"),
        (["hydra/sweeper=optuna", "trainer.learning_rate=interval(-1,1)"], "must be above 0"),
        (["hydra/sweeper=optuna", "hydra.sweeper.n_trial=2", "seed=1,2"], "'hydra.sweeper.n_trials'"),
        (["sweep.resume=nowhere"], "index.json is missing"),
        (["sweep.resume=nowhere", "seed=2"], "takes no further settings: seed=2"),
        (["model=gemma", "seed=1,2,1"], "the run seed=1 is asked for twice"),
        (["seed=1,2", "run_dir=mine"], "'run_dir' is of one run, and not of a sweep"),
        (["seed=1,2", "resume=latest"], "'resume' is of one run, and not of a sweep"),
        (["seed=1,2", "hydra.job.chdir=true"], "'hydra.job.chdir' has no effect on a sweep"),
        (["seed=1,2", "--dry"], "unknown flag '--dry' for a sweep"),
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


STAND_IN = """
import json, pathlib, sys
run, rate = pathlib.Path(sys.argv[1]), float(sys.argv[2])
run.mkdir(parents=True)
(run / "config.yaml").write_text("")
if rate > 0.75:
    sys.exit("error: too fast")
metrics = {"validation_loss": abs(rate - 0.5), "bits_per_byte": None, "sweep_metric": "validation_loss"}
(run / "summary.json").write_text(json.dumps(metrics))
"""


def test_a_search_finds_the_best_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stand_in(folder: SweepDir, one: job.Job, again: bool) -> list[str]:
        rate = one.overrides[0].removeprefix("trainer.learning_rate=")
        return ["-c", STAND_IN, str(folder.run(one.number).root), rate]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "_command", stand_in)
    monkeypatch.setattr(job, "_POLL", 0.02)
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2"]
    arguments = [*search, "hydra.sweeper.sampler.seed=5", "hydra.sweep.dir=sweep", "scale=tiny"]
    code = main(["train", "-m", "trainer.learning_rate=interval(0.1,1.0)", *arguments])
    out = capsys.readouterr().out
    index = json.loads((tmp_path / "sweep" / "index.json").read_text())
    rates = [float(one["overrides"][0].partition("=")[2]) for one in index["jobs"]]
    states = [one["state"] for one in index["jobs"]]
    assert states == ["failed" if rate > 0.75 else "finished" for rate in rates]
    assert len(set(rates)) == 4 and "failed" in states and code == 1
    number = min(range(4), key=lambda n: abs(rates[n] - 0.5))
    assert index["best"] == {"job": number, "validation_loss": abs(rates[number] - 0.5)}
    assert "a search by Optuna, 4 jobs, 2 at a time" in out
    assert f"best    [{number}] trainer.learning_rate={rates[number]}: validation_loss" in out

    index["jobs"] = index["jobs"][:2]  # as if it had been stopped after two
    (tmp_path / "sweep" / "index.json").write_text(json.dumps(index))
    shutil.rmtree(tmp_path / "sweep" / "2", ignore_errors=True)
    shutil.rmtree(tmp_path / "sweep" / "3", ignore_errors=True)
    main(["train", "-m", "sweep.resume=sweep"])
    again = json.loads((tmp_path / "sweep" / "index.json").read_text())["jobs"]
    assert [one["overrides"] for one in again[:2]] == [one["overrides"] for one in index["jobs"]]
    assert len(again) == 4


def test_two_jobs_in_parallel_of_which_one_fails(tmp_path: Path, twins: Callable[[str], Twin]) -> None:
    shutil.copytree(twins("mistral").root, tmp_path / "artifacts" / "tiny" / twins("mistral").root.name)
    shutil.copy(samples_dir() / "medical_qa.jsonl", tmp_path / "here.jsonl")
    done = medft(
        "train", "-m", "scale=tiny", "trainer.max_steps=2", "trainer.eval_steps=2", "merge=false",
        "logger.wandb=off", "dataset.path=missing.jsonl,here.jsonl", "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2", "hydra.sweep.dir=sweep", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[0] dataset.path=missing.jsonl: FAILED" in done.stdout
    assert "error: the file or folder of data set 'sample' does not exist" in done.stdout
    assert "[1] dataset.path=here.jsonl: finished in" in done.stdout
    assert done.stdout.rstrip().endswith("medft train -m sweep.resume=sweep")
    index = json.loads((tmp_path / "sweep" / "index.json").read_text())
    assert [job["state"] for job in index["jobs"]] == ["failed", "finished"]
    folder = SweepDir(tmp_path / "sweep")
    assert folder.run(1).state() == "finished"
    assert json.loads(folder.run(1).summary.read_text())["sweep"] == "sweep"

    before = folder.run(1).summary.stat().st_mtime_ns
    again = medft("train", "-m", "sweep.resume=sweep", cwd=tmp_path)  # only what is missing
    assert again.returncode == 1
    assert "[1]" not in again.stdout
    assert folder.run(1).summary.stat().st_mtime_ns == before
