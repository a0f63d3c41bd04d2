"""A sweep's folder tells the truth, whatever became of the processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medft.errors import RunError
from medft.files import write_json
from medft.sweep.folder import SweepDir


@pytest.fixture
def folder(tmp_path: Path) -> SweepDir:
    made = SweepDir(tmp_path / "sweep")
    made.create([["model=gemma", "seed=1"], ["model=gemma", "seed=2"]], ["seed"], ["hydra/launcher=joblib"])
    return made


def states(folder: SweepDir) -> list[str]:
    return [job.state for job in folder.jobs()]


def test_a_new_sweep_has_everything_to_do(folder: SweepDir) -> None:
    assert states(folder) == ["to do", "to do"]
    assert [folder.words(job) for job in folder.jobs()] == ["seed=1", "seed=2"]
    assert folder.launch() == ["hydra/launcher=joblib"]


def test_a_summary_is_what_makes_a_job_finished(folder: SweepDir) -> None:
    folder.mark(0, "failed")
    write_json(folder.run(0).summary, {})
    assert states(folder) == ["finished", "to do"]


def test_a_job_runs_as_long_as_a_process_holds_its_log(folder: SweepDir) -> None:
    """Also when whoever started it is gone: the lock is the child's as well."""
    code = (
        "import subprocess, sys; from medft.files import take;"
        "log = open(sys.argv[1], 'w'); assert take(log);"
        "print(subprocess.Popen(['sleep', '60'], stdout=log, stderr=log).pid)"
    )
    folder.log(1).touch()
    folder.mark(1, "running")
    assert states(folder)[1] == "to do"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.log(1))], capture_output=True, text=True, check=True
    )
    assert states(folder)[1] == "running"
    subprocess.run(["kill", "-9", done.stdout.strip()], check=True)
    end = time.monotonic() + 5
    while states(folder)[1] == "running" and time.monotonic() < end:
        time.sleep(0.02)
    assert states(folder)[1] == "to do"


def test_jobs_of_a_search_are_numbered_as_they_come(folder: SweepDir) -> None:
    assert folder.add(["model=gemma", "seed=9"]) == 2
    assert folder.jobs()[2].overrides == ("model=gemma", "seed=9")
    assert folder.launch() == ["hydra/launcher=joblib"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 1}, {"number": "../x"}, {"state": "dancing"}, {"overrides": "seed=1"}, {"overrides": [1]},
        {"seconds": float("nan")},
    ],
)  # fmt: skip
def test_a_job_that_is_none_is_refused(wrong: dict[str, object], folder: SweepDir) -> None:
    index = json.loads((folder.root / "index.json").read_text())
    index["jobs"][0] |= wrong
    (folder.root / "index.json").write_text(json.dumps(index))
    with pytest.raises(RunError, match="what it says of job 0 is no job"):
        folder.jobs()


def test_any_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"index\.json is missing"):
        SweepDir(tmp_path).jobs()
