"""One job's process: GPUs of its own, a stop that saves, a failure that is told."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from medft.sweep import job
from medft.sweep.folder import SweepDir

CHILD = """
import json, pathlib, signal, sys, time
run, what = pathlib.Path(sys.argv[1]), sys.argv[2]
run.mkdir(exist_ok=True)
(run / "config.yaml").write_text("")
if what == "fails":
    print("line one"); print("error: no such file", file=sys.stderr); sys.exit(1)
if what == "waits":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    print("waiting", flush=True); time.sleep(60)
metrics = {"validation_loss": 1.25, "bits_per_byte": 0.5, "sweep_metric": "bits_per_byte"}
(run / "summary.json").write_text(json.dumps(metrics))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepDir:
    """A sweep of stand-ins for ``medft train``, each of which does what its only override says."""
    made = SweepDir(tmp_path / "sweep")
    made.create([["what=ends"], ["what=fails"], ["what=waits"]], ["what"], [])

    def command(folder: SweepDir, one: job.Job, again: bool) -> list[str]:
        what = "ends" if again else one.overrides[0].removeprefix("what=")
        return ["-c", CHILD, str(folder.run(one.number).root), what]

    monkeypatch.setattr(job, "_command", command)
    return made


def result(folder: SweepDir, number: int) -> tuple[str, float | None]:
    return job.result(folder, folder.jobs()[number])


def test_a_job_has_a_result_and_is_not_run_twice(folder: SweepDir) -> None:
    assert result(folder, 0) == ("", None)
    job.run_job(folder, 0)
    assert result(folder, 0) == ("bits_per_byte", 0.5)
    assert folder.jobs()[0].state == "finished"
    assert "[0] what=ends: finished in" in folder.said.read_text()
    assert "validation loss 1.250, bits/byte 0.500" in folder.said.read_text()
    log = folder.log(0).read_text()
    job.run_job(folder, 0)
    assert folder.log(0).read_text() == log


def test_a_job_that_another_machine_finishes_meanwhile_is_not_run_again(
    folder: SweepDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(log: object) -> bool:
        folder.run(0).summary.parent.mkdir()
        folder.run(0).summary.write_text("{}")  # the other's last act before it gives the lock back
        return True

    monkeypatch.setattr(job, "_take", take)
    job.run_job(folder, 0)
    assert not folder.said.exists() and folder.log(0).read_text() == ""


def test_a_failure_is_told_with_its_last_lines(folder: SweepDir) -> None:
    job.run_job(folder, 1)
    assert folder.jobs()[1].state == "failed"
    assert result(folder, 1) == ("", None)
    said = folder.said.read_text()
    assert "[1] what=fails: FAILED after" in said
    assert "exit code 1" in said
    assert "    error: no such file" in said


def test_a_stop_lets_the_job_save_and_a_resumed_sweep_goes_on_with_it(folder: SweepDir) -> None:
    def stop() -> None:
        while "waiting" not in (folder.log(2).read_text() if folder.log(2).exists() else ""):
            time.sleep(0.02)
        folder.stop(True)

    thread = threading.Thread(target=stop)
    thread.start()
    job.run_job(folder, 2)
    thread.join()
    assert folder.jobs()[2].state == "to do"
    job.run_job(folder, 1)  # nothing starts while stopping
    assert folder.jobs()[1].state == "to do"
    folder.stop(False)
    job.run_job(folder, 2)
    assert result(folder, 2) == ("bits_per_byte", 0.5)
    assert "[2] what=waits: resumed" in folder.said.read_text()


def test_a_second_ctrl_c_kills_what_no_watcher_is_left_to_stop(folder: SweepDir) -> None:
    with folder.log(2).open("a") as log:
        assert job.take(log)
        process = job._start(folder, 2, [sys.executable, "-c", "import time; time.sleep(60)"], log, {}, ())
    folder.mark(2, "running")
    job.kill_jobs(folder)
    assert process.wait(5) == -signal.SIGKILL
    assert folder.jobs()[2].state == "to do"


def test_a_job_that_runs_elsewhere_is_left_alone(folder: SweepDir) -> None:
    with folder.log(0).open("a") as log:
        assert job.take(log)
        job.run_job(folder, 0)
    assert "still running elsewhere" in folder.said.read_text()


def test_no_job_starts_once_the_hours_allowed_are_spent(folder: SweepDir) -> None:
    folder.allow(0.5)
    folder.mark(2, "failed", 1700)
    assert not folder.spent
    folder.mark(2, "to do", 200)
    assert folder.spent
    job.run_job(folder, 0)
    assert folder.jobs()[0].state == "to do"
    assert "[0] what=ends: not started, the time budget is spent" in folder.said.read_text()
    folder.allow(None)
    job.run_job(folder, 0)
    assert folder.jobs()[0].state == "finished" and 0 < folder.jobs()[0].seconds < 60


def test_a_job_of_another_command_needs_no_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SweepDir(tmp_path / "asked")
    folder.create([["run=a"]], [], [], verb="evaluate", again="medft study name=x")
    assert job._command(folder, folder.jobs()[0], False) == ["-m", "medft", "evaluate", "run=a"]
    monkeypatch.setattr(job, "_command", lambda *_: ["-c", "print('asked')"])
    job.run_job(folder, 0)
    assert [one.state for one in folder.jobs()] == ["finished"]
    assert folder.again == "medft study name=x"
