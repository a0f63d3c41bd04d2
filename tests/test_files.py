from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from medft.files import folder_size, numbered, stamp, unused


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
