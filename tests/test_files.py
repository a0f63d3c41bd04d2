from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

import pytest

from medft.errors import RunError
from medft.files import folder_size, numbered, stamp, unused, write_text


def test_the_first_name_that_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / stamp()
    assert re.fullmatch(r"\d{8}-\d{6}", path.name)
    assert unused(path) == path
    for taken in islice(numbered(path), 2):
        taken.mkdir()
    assert unused(path) == tmp_path / f"{path.name}-3"


def test_the_size_of_a_folder_counts_what_lies_deeper(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "below" / "b").write_bytes(b"123")
    assert folder_size(tmp_path) == 8


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"


def test_a_pipe_or_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(RunError, match="not a file"):
            write_text(path, "x")
    assert (tmp_path / "pipe").is_fifo() and Path("/dev/null").is_char_device()
