"""The output of every reader: ``SourceRow`` for a readable row, ``RowError`` for any other.

A bad row is yielded, not raised, so that the caller decides whether one of them ends everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medft.errors import DataError

SPLIT_SYNONYMS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
"""The words by which sources name their splits -> the names of ours."""


@dataclass(frozen=True, slots=True)
class SourceRow:
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
        super().__init__(what, where=where, remedy=remedy or "correct the row, or dataset.on_error=skip")
        self.reason = reason


SourceRows = Iterator[SourceRow | RowError]
