"""Text files -> rows: one example per line, in the column ``text``."""

from __future__ import annotations

from pathlib import Path

from medft.data.readers.rows import SourceRow, SourceRows
from medft.data.readers.utf8 import read_lines


def read(path: Path) -> SourceRows:
    """Every line that is not blank."""
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            yield SourceRow(f"{path}:{number}", {"text": line.rstrip("\r\n")})
