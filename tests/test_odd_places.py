"""Closed streams, and pipes and devices in the place of files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medft.cli import main
from tests.support.process import ROOT
from tests.support.run_folder import make_run


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closed: str, tmp_path: Path) -> None:
    make_run(tmp_path / "artifacts")
    line = f"exec {sys.executable} -m medft runs format=json {closed}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ("mistral" in done.stdout) == (" >&-" not in f" {closed}")


@pytest.mark.parametrize("name", ["config.yaml", "summary.json", "loss.csv", "ledger.json", "status.json"])
def test_a_pipe_in_a_run_folder_is_not_waited_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "artifacts")
    make_run(tmp_path / "artifacts", "gemma")
    (run.root / name).unlink(missing_ok=True)
    os.mkfifo(run.root / name)
    for command in (["runs"], ["compare"]):
        assert main(command) == 0
        assert "gemma" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["{}"], ["dataset=csv", "dataset.path={}"]])
def test_data_are_no_pipe(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    assert main(["prepare", "scale=tiny", *(word.format("pipe.csv") for word in words)]) == 1
    assert "error: this is a pipe or a device" in capsys.readouterr().err


def test_a_file_of_null_bytes_was_never_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.jsonl").write_bytes(bytes(100_000))
    assert main(["prepare", "x.jsonl", "scale=tiny"]) == 1
    assert "begins with null bytes" in capsys.readouterr().err
