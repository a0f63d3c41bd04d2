"""Folders that appear whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medft.files import aside, atomic_folder, clear_left, take_name

HOST = re.sub(r"\W", "_", socket.gethostname())


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def make(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "file").write_text(text)
    return path


def test_a_folder_replaces_the_old_one_only_when_the_block_ends_well(tmp_path: Path) -> None:
    folder = make(tmp_path / "merged", "old")
    with pytest.raises(ValueError), atomic_folder(folder) as aside:
        (aside / "file").write_text("half")
        raise ValueError
    assert (folder / "file").read_text() == "old"
    with atomic_folder(folder) as aside:
        (aside / "file").write_text("new")
    assert (folder / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_killed_processes_left_is_cleared_and_what_living_ones_write_is_not(
    tmp_path: Path, dead: int
) -> None:
    folder = tmp_path / "merged"
    make(tmp_path / f".merged.{HOST}-{dead}.part", "half")
    writing = make(tmp_path / f".merged.{HOST}-{os.getppid()}.part", "half")
    other = make(tmp_path / f".merged-2.{HOST}-{dead}.part", "half")
    with atomic_folder(folder):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([folder, writing, other])


def test_a_folder_whose_process_was_killed_between_its_renames_comes_back(tmp_path: Path, dead: int) -> None:
    make(tmp_path / f".merged.{HOST}-{dead}.old", "old")
    make(tmp_path / f".merged.{HOST}-{dead}.part", "new")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "merged"):
        raise ValueError
    assert (tmp_path / "merged" / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "merged"]


def test_what_another_machine_writes_stays_for_a_day(tmp_path: Path, dead: int) -> None:
    theirs = make(tmp_path / f".merged.elsewhere-{dead}.part", "half")
    clear_left(tmp_path)
    assert theirs.is_dir()
    os.utime(theirs, (time.time() - 25 * 3600,) * 2)
    clear_left(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_that_take_a_name_at_once_get_two(tmp_path: Path) -> None:
    (tmp_path / "report-2").write_text("a file of the user's")
    tried: list[str] = []
    for text in ("one", "two"):
        with aside(tmp_path / "report") as folder:
            (folder / "file").write_text(text)
            named = take_name(folder, tmp_path / "report", lambda name: tried.append(name.name))
        assert (named / "file").read_text() == text
    assert tried == ["report", "report", "report-2", "report-3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "report-2", "report-3"]
