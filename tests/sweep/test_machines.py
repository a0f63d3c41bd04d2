"""A sweep whose jobs run on several machines: those of a cluster, or those that share its folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from medft.cli import main
from medft.sweep import cluster, job
from medft.sweep.folder import SweepDir
from tests.support import stand_in
from tests.support.process import ROOT
from tests.support.slurm import Slurm, real_slurm

__all__ = ["real_slurm"]  # a fixture

SWEEP = ["train", "-m", "scale=tiny", "hydra.sweep.dir=sweep"]


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def starts(folder: SweepDir, number: int) -> list[str]:
    """The processes that a job has had."""
    file = folder.run(number).root / "starts"
    return file.read_text().splitlines() if file.is_file() else []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepDir:
    """Where a sweep will be, of stand-ins for trainings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(job, "_command", stand_in.command)
    monkeypatch.setattr(job, "_POLL", 0.05)
    monkeypatch.setattr(cluster, "Worker", stand_in.Worker)
    monkeypatch.setattr(cluster, "_LOOK", 0.1)
    monkeypatch.setattr(cluster, "_ASK", 0.5)
    return SweepDir(tmp_path / "sweep")


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit's executor for one machine in place of SLURM."""
    monkeypatch.setattr(cluster, "_EXECUTOR", "local")


def worker_of(folder: SweepDir, number: int) -> psutil.Process:
    """The process of the cluster that runs a job, found by its child."""
    until(lambda: starts(folder, number))
    child = psutil.Process(int(starts(folder, number)[-1].split()[0]))
    parent = child.parent()
    assert parent is not None
    return parent


def when(folder: SweepDir, number: int, act: Callable[[psutil.Process], None]) -> threading.Thread:
    thread = threading.Thread(target=lambda: act(worker_of(folder, number)))
    thread.start()
    return thread


def kill(worker: psutil.Process) -> None:
    """As when its node dies: the worker and what it has started, at once."""
    for process in (worker, *worker.children(recursive=True)):
        process.kill()


@pytest.mark.usefixtures("local")
def test_the_job_of_a_worker_that_dies_is_started_again(
    folder: SweepDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(stand_in.SECONDS, "1")
    death = when(folder, 1, kill)
    code = main([*SWEEP, "launcher=slurm_array", "launcher.gpus=0", "seed=1,2,3"])
    death.join()
    out = capsys.readouterr().out
    assert code == 0, out
    assert [one.state for one in folder.jobs()] == ["finished"] * 3
    assert [len(starts(folder, number)) for number in range(3)] == [1, 2, 1]
    assert "[1] seed=2: resumed" in out and out.count("submitted to the cluster") == 2


@pytest.mark.usefixtures("local")
def test_a_job_that_has_to_leave_saves_and_goes_on(
    folder: SweepDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(stand_in.SECONDS, "1")
    notice = when(folder, 0, lambda worker: worker.send_signal(signal.SIGUSR2))
    code = main([*SWEEP, "launcher=slurm", "launcher.gpus=0", "seed=1"])
    notice.join()
    out = capsys.readouterr().out
    assert code == 0, out
    assert "[0] as asked: stopped after" in out and "[0] as asked: resumed" in out
    assert len(starts(folder, 0)) == 2 and out.count("submitted to the cluster") == 1


def test_the_log_handlers_of_other_libraries_stay_open() -> None:
    code = """if True:
        import logging, os, sys
        from medft.sweep import cluster
        handler = logging.FileHandler(os.devnull)
        cluster._submitit()
        sys.exit(handler.stream is None or "SUBMITIT_LOG_LEVEL" in os.environ)"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_a_job_of_two_gpus_runs_under_torchrun(folder: SweepDir) -> None:
    assert main([*SWEEP, "sweep.gpus_per_job=2", "seed=1"]) == 0
    assert sorted(line.split()[1] for line in starts(folder, 0)) == ["0", "1"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["launcher=slrum"], "unknown launcher 'slrum'. Did you mean 'slurm'?"),
        (["launcher=slurm", "launcher.hour=2"], "Did you mean 'launcher.hours'?"),
        (["launcher=slurm", "hydra/launcher=joblib"], "two launchers"),
    ],
)
def test_a_wrong_launcher_is_told_first(
    words: list[str], expected: str, folder: SweepDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SWEEP, *words, "seed=1,2"]) == 2
    assert expected in capsys.readouterr().err and not folder.root.exists()


def test_a_launcher_without_a_sweep_has_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "launcher=slurm"]) == 2
    assert "'launcher' has no effect here" in capsys.readouterr().err


def test_what_a_cluster_does_not_take_goes_elsewhere(
    folder: SweepDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_: None)
    assert main([*SWEEP, "launcher=slurm", "launcher.partition=a", "seed=1"]) == 1
    assert "the cluster rejected the jobs: Could not detect" in capsys.readouterr().err
    assert main(["train", "-m", "sweep.resume=sweep", "launcher.partiton=b"]) == 2
    assert "Did you mean 'launcher.partition'?" in capsys.readouterr().err
    assert main(["train", "-m", "sweep.resume=sweep", "launcher=null"]) == 0
    assert folder.launch() == [] and folder.jobs()[0].state == "finished"


def machine(folder: SweepDir) -> subprocess.Popen[str]:
    """One more machine that works on a sweep."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.support.stand_in", "train", "-m", f"sweep.resume={folder.root}"]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def test_of_three_machines_one_dies_and_no_job_is_lost_or_done_twice(
    folder: SweepDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stand_in.SECONDS, "0.5")
    folder.create([[f"seed={number}"] for number in range(8)], ["seed"], [])
    machines = [machine(folder) for _ in range(3)]
    until(lambda: sum(bool(starts(folder, number)) for number in range(8)) >= 4)
    lost = next(number for number in range(8) if folder.jobs()[number].state == "running")
    dead = worker_of(folder, lost)
    kill(dead)
    said = [one.communicate(timeout=60) for one in machines]
    assert [one.returncode for one in machines if one.pid != dead.pid] == [0, 0], said
    index = json.loads((folder.root / "index.json").read_text())
    assert [one["state"] for one in index["jobs"]] == ["finished"] * 8
    assert [len(starts(folder, number)) for number in range(8)] == [1 + (n == lost) for n in range(8)]


def test_a_job_array_on_a_real_slurm_is_preempted_and_goes_on(
    real_slurm: Slurm, folder: SweepDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in real_slurm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(stand_in.SECONDS, "3")

    def preempt(worker: psutil.Process) -> None:
        """SLURM's own SIGTERM, to make room for a job of a better partition."""
        real_slurm.call("srun", "--partition=high", "--nodes=2", "--exclusive", "true")
        for line in real_slurm.call("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i").split():
            real_slurm.call("scontrol", "update", f"JobId={line}", "StartTime=now")  # else in two minutes

    preemption = when(folder, 0, preempt)
    words = ["launcher=slurm_array", "launcher.gpus=0", "launcher.cpus=1", "launcher.partition=low"]
    code = main([*SWEEP, *words, "seed=1,2"])
    preemption.join()
    out = capsys.readouterr().out
    assert code == 0, out
    assert [len(starts(folder, number)) for number in range(2)] == [2, 2]
    assert "[0] seed=1: stopped after" in out and "[0] seed=1: resumed" in out
