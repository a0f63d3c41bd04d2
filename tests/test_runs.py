"""Folders that appear whole or not at all, whoever is killed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medft.files import atomic_folder


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
    make(tmp_path / f".merged.{dead}.part", "half")
    writing = make(tmp_path / f".merged.{os.getppid()}.part", "half")
    other = make(tmp_path / f".merged-2.{dead}.part", "half")
    with atomic_folder(folder):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([folder, writing, other])


def test_a_folder_whose_process_was_killed_between_its_renames_comes_back(tmp_path: Path, dead: int) -> None:
    make(tmp_path / f".merged.{dead}.old", "old")
    make(tmp_path / f".merged.{dead}.part", "new")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "merged"):
        raise ValueError
    assert (tmp_path / "merged" / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "merged"]
