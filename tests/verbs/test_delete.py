"""A run is removed only when asked, only whole, and only where it is one of medft's."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.cli import main
from medft.runs import all_runs
from tests.support.runs import make_run


def test_it_is_shown_first_and_removed_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "my runs" / "runs" / "a-b-c" / "20261120-101500")
    tmp_path = tmp_path / "my runs"
    assert main(["delete", "run=20261120", f"artifacts={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "to remove" in out and run.config.is_file()
    assert f"medft delete run='{run.root}' yes=true" in out
    assert main(["delete", "run=20261120", f"artifacts={tmp_path}", "yes=true"]) == 1
    assert "not a complete run name" in capsys.readouterr().err and run.config.is_file()
    assert main(["delete", "run=20261120-101500", f"artifacts={tmp_path}", "yes=true"]) == 0
    assert "remove" in capsys.readouterr().out
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("name", ["thesis.docx", ".git"])
def test_a_folder_with_other_things_in_it_stays(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "runs" / "a-b-c" / "20261120-101500")
    (run.root / name).mkdir()
    code = main(["delete", f"run={run.root}", f"artifacts={tmp_path}", "yes=true"])
    assert code == 1 and name in capsys.readouterr().err
    assert run.summary.is_file()


def test_what_is_no_run_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("theme: dark\n")
    assert main(["delete", f"run={tmp_path}", "yes=true"]) == 1
    assert "not a medft run" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").is_file()


def test_a_run_at_work_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "runs" / "a-b-c" / "20261120-101500")
    with run.held():
        assert main(["delete", f"run={run.root}", f"artifacts={tmp_path}", "yes=true"]) == 1
    assert "another process is using" in capsys.readouterr().err
    assert all_runs(tmp_path) == [run]


@pytest.mark.parametrize("name", ["", " ", "$UNSET"])
def test_no_name_means_no_run(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "runs" / "a-b-c" / "20261120-101500")
    assert main(["delete", f"run={name}", f"artifacts={tmp_path}", "yes=true"]) == 1
    assert "fix:   see: medft runs" in capsys.readouterr().err and run.summary.is_file()


@pytest.mark.parametrize("spelling", ["{}/../link", "{}/adapter/.."])
def test_a_run_behind_another_path_goes_as_a_whole(tmp_path: Path, spelling: str) -> None:
    run = make_run(tmp_path / "runs" / "a-b-c" / "20261120-101500")
    run.adapter.mkdir()
    (run.root.parent / "link").symlink_to(run.root)
    assert main(["delete", f"run={spelling.format(run.root)}", f"artifacts={tmp_path}", "yes=true"]) == 0
    assert not run.root.exists()


def test_the_run_that_one_stands_in_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "runs" / "a-b-c" / "20261120-101500")
    monkeypatch.chdir(run.root)
    assert main(["delete", "run=.", "yes=true"]) == 0
    assert not run.root.exists()
