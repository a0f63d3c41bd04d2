"""What every reader yields: rows with their places, and rows that cannot be used.

A reader yields ``Row`` for what it could read and ``RowError`` for what it could not, so that the caller
decides whether one bad row ends everything. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medft.errors import DataError

SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
"""The words by which sources name their splits."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the source has it."""

    place: str
    """``file:line``, or ``file row n`` where there are no lines."""
    values: Mapping[str, Any]
    """By column name."""
    split: str = ""
    """train, validation or test where the source comes split; empty otherwise."""


class RowError(DataError):
    """One row that cannot be used; ``reason`` is the name it is counted under."""

    def __init__(self, reason: str, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy or "repair the row, or dataset.on_error=skip")
        self.reason = reason


Rows = Iterator[Row | RowError]
