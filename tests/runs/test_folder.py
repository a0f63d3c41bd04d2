"""How a run is named on the command line, in which order runs are listed, and how each stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medft.errors import RunError
from medft.files import write_json
from medft.runs import RunDir, all_runs, find_run


def made(artifacts: Path, name: str, finished: bool = True) -> RunDir:
    run = RunDir(artifacts / name)
    run.root.mkdir(parents=True)
    run.config.write_text("{}")
    if finished:
        run.summary.write_text("{}")
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[RunDir]:
    """Oldest first; the last one is unfinished."""
    return [
        made(tmp_path, "runs/gemma-sample-medical_qa/20261120-101500"),
        made(tmp_path, "sweeps/20261121-090000/9"),
        made(tmp_path, "sweeps/20261121-090000/10"),
        made(tmp_path, "runs/gemma-sample-medical_qa/20261122-101500"),
        made(tmp_path, "runs/mistral-sample-medical_qa/20261123-101500", finished=False),
    ]


def test_runs_are_listed_newest_first_and_jobs_by_number(runs: list[RunDir], tmp_path: Path) -> None:
    assert all_runs(tmp_path) == runs[::-1]
    assert runs[2].name == "20261121-090000/10"


def test_a_run_is_found_by_folder_stamp_and_prefix(runs: list[RunDir], tmp_path: Path) -> None:
    assert find_run(str(runs[0].root), tmp_path) == runs[0]
    assert find_run("20261120", tmp_path) == runs[0]
    assert find_run("mistral", tmp_path) == runs[4]
    with pytest.raises(RunError, match="the run name is empty"):
        find_run("", tmp_path)


def test_latest_is_the_newest_finished_one(runs: list[RunDir], tmp_path: Path) -> None:
    for second, run in enumerate(runs[:4]):
        os.utime(run.summary, (-second, -second))  # a merge of an old run writes its summary anew
    assert find_run("latest", tmp_path) == runs[3]
    assert find_run("20261121-090000/latest", tmp_path) == runs[2]
    with pytest.raises(RunError, match="no finished run of 'mistral'"):
        find_run("mistral/latest", tmp_path)


def test_latest_to_resume_is_the_one_that_was_at_work_last_and_has_not_finished(
    runs: list[RunDir], tmp_path: Path
) -> None:
    runs[0].summary.unlink()
    runs[0].mark("interrupted")
    os.utime(runs[0].status, (2_000, 2_000))
    os.utime(runs[4].config, (1_000, 1_000))
    assert find_run("latest", tmp_path, latest="unfinished") == runs[0]
    assert find_run("mistral/latest", tmp_path, latest="unfinished") == runs[4]
    with runs[0].held():
        runs[0].mark("running")
        assert find_run("latest", tmp_path, latest="unfinished") == runs[4], "it is at work"
    runs[0].status.write_text("[" * 100_000)
    assert find_run("latest", tmp_path, latest="unfinished") == runs[4], "a damaged one hides no other"
    with pytest.raises(RunError, match="no unfinished run of 'sweep'"):
        find_run("sweep/latest", tmp_path, latest="unfinished")


def test_two_at_work_in_one_folder_are_told_apart(runs: list[RunDir]) -> None:
    run = RunDir(runs[0].root)
    with runs[0].held(), pytest.raises(RunError, match=rf"process {os.getpid()} on "), run.held():
        pass
    with run.held():
        pass


def test_an_unknown_and_an_ambiguous_name_are_refused(runs: list[RunDir], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'gemma' matches 2 runs") as error:
        find_run("gemma", tmp_path)
    assert all(str(run.root) in error.value.where for run in (runs[0], runs[3]))
    with pytest.raises(RunError, match="there is no run called 'llama'"):
        find_run("llama", tmp_path)


def test_a_state_is_what_the_process_left_and_running_only_while_it_lives(runs: list[RunDir]) -> None:
    assert [run.state() for run in runs[3:]] == ["finished", "killed"]
    run = runs[4]
    run.mark("interrupted")
    assert run.state() == "interrupted"
    run.mark("running")
    assert run.state() == "killed"
    with run.held():
        assert run.state() == "running"
    write_json(run.status, {"state": "asleep"})
    with pytest.raises(RunError, match=r"status\.json is damaged"):
        run.state()


def test_a_file_in_the_place_of_the_runs_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("")
    with pytest.raises(RunError, match="not a folder"):
        all_runs(tmp_path / "artifacts")


def test_a_run_that_is_being_made_or_removed_is_none_yet(tmp_path: Path) -> None:
    made(tmp_path, "runs/gemma-sample-medical_qa/.new.host-12.part")
    assert all_runs(tmp_path) == []
