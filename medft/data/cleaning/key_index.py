"""The keys of every cleaned record in memory, some 50 bytes a row and never a text."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.keys import Keys
from medft.data.record import SPLITS

KeyArray = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

UNSPLIT = len(SPLITS)
"""The source says nothing of the split."""


@dataclass(slots=True)
class KeyIndex:
    """Keys of every cleaned record, in reading order."""

    question: array[int] = field(default_factory=lambda: array("Q"))
    answer: array[int] = field(default_factory=lambda: array("Q"))
    group: array[int] = field(default_factory=lambda: array("Q"))
    content: array[int] = field(default_factory=lambda: array("Q"))
    source: array[int] = field(default_factory=lambda: array("H"))
    """Position of the source among the members."""
    split: array[int] = field(default_factory=lambda: array("B"))
    """Position in ``SPLITS`` when the source says so, else ``UNSPLIT``."""
    held_out: array[int] = field(default_factory=lambda: array("B"))
    """1 for a benchmark's test rows, which go to test whatever the source says."""

    def add(self, keys: Keys, source: int, split: str, held_out: bool = False) -> None:
        """Append the keys of one record."""
        self.question.append(keys.question)
        self.answer.append(keys.answer)
        self.group.append(keys.group)
        self.content.append(keys.content)
        self.source.append(source)
        self.split.append(SPLITS.index(split) if split else UNSPLIT)
        self.held_out.append(held_out)

    def __len__(self) -> int:
        return len(self.content)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the arrays as numpy, without a copy."""
        values: array[int] = getattr(self, name)
        return np.frombuffer(values, dtype=np.dtype(values.typecode))
