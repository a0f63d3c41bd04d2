"""The keys of every cleaned record in memory, some 100 bytes a row and never a text."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.keys import TIES, Keys
from medft.data.record import SPLITS

KeyArray = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
RowNumbers = npt.NDArray[np.int64]

UNSPLIT = len(SPLITS)
"""The source says nothing of the split."""
MANY_WORDS = 255
"""Longer texts are not told apart by their length."""


@dataclass(frozen=True, slots=True)
class Tied:
    """The texts of one kind that may tie rows together; a row may have several, or none."""

    rows: RowNumbers
    """Whose text it is."""
    keys: KeyArray
    """Equal for the same text."""
    words: npt.NDArray[np.uint8]
    """Words in it, ``MANY_WORDS`` at most."""

    def where(self, chosen: Mask) -> Tied:
        """Some of them."""
        return Tied(self.rows[chosen], self.keys[chosen], self.words[chosen])


@dataclass(frozen=True, slots=True)
class Kind:
    """What a record is, beside its keys."""

    task: str = ""
    """Task of the record."""
    label: str = ""
    """Its class."""
    verdict: int = 0
    """What it decides, see ``answer_faults.verdict``."""
    faults: int = 0
    """What was found in it, see ``answer_faults.bits``."""


PAIRED_TASKS = frozenset({"nli"})
"""Tasks that compare two texts: neither is an instruction over the other."""


@dataclass(slots=True)
class KeyIndex:
    """Keys of every cleaned record, in reading order."""

    question: array[int] = field(default_factory=lambda: array("Q"))
    answer: array[int] = field(default_factory=lambda: array("Q"))
    content: array[int] = field(default_factory=lambda: array("Q"))
    stratum: array[int] = field(default_factory=lambda: array("Q"))
    """Equal for rows of one task and class."""
    verdict: array[int] = field(default_factory=lambda: array("Q"))
    """What the row decides, see ``answer_faults.verdict``."""
    source: array[int] = field(default_factory=lambda: array("H"))
    """Position of the source among the members."""
    split: array[int] = field(default_factory=lambda: array("B"))
    """Position in ``SPLITS`` when the source says so, else ``UNSPLIT``."""
    held_out: array[int] = field(default_factory=lambda: array("B"))
    """1 for a benchmark's test rows, which are never trained on."""
    paired: array[int] = field(default_factory=lambda: array("B"))
    """1 for rows whose question and context are two texts of one kind, as in natural language inference."""
    faults: array[int] = field(default_factory=lambda: array("I"))
    """What was found in the row, a bit for each of ``ANSWER_FAULTS``."""
    _tie_row: array[int] = field(default_factory=lambda: array("I"))
    _tie_key: array[int] = field(default_factory=lambda: array("Q"))
    _tie_field: array[int] = field(default_factory=lambda: array("B"))
    _tie_words: array[int] = field(default_factory=lambda: array("B"))

    def add(
        self,
        keys: Keys,
        source: int,
        split: str,
        held_out: bool = False,
        kind: Kind = Kind(),
    ) -> None:
        """Append the keys of one record."""
        for tie in keys.ties:
            self._tie_row.append(len(self))
            self._tie_key.append(tie.key)
            self._tie_field.append(TIES.index(tie.field))
            self._tie_words.append(min(len(tie.words), MANY_WORDS))
        self.question.append(keys.question)
        self.answer.append(keys.answer)
        self.stratum.append(_digest(f"{kind.task}\n{kind.label}"))
        self.verdict.append(kind.verdict)
        self.source.append(source)
        self.split.append(SPLITS.index(split) if split else UNSPLIT)
        self.held_out.append(held_out)
        self.paired.append(kind.task in PAIRED_TASKS)
        self.faults.append(kind.faults)
        self.content.append(keys.content)

    def extend(self, more: KeyIndex) -> None:
        """Append the keys of other records."""
        rows = len(self)
        self._tie_row.extend(array("I", [rows + row for row in more._tie_row]))
        for column in fields(self):
            if column.name != "_tie_row":
                getattr(self, column.name).extend(getattr(more, column.name))

    def __len__(self) -> int:
        return len(self.content)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One of the arrays as numpy, without a copy."""
        values: array[int] = getattr(self, name)
        kind = np.dtype(values.typecode)
        return np.frombuffer(values, dtype=kind) if len(values) else np.empty(0, dtype=kind)

    def tied(self, field: str) -> Tied:
        """The texts of one of ``TIES``."""
        here = self.column("_tie_field") == TIES.index(field)
        rows = self.column("_tie_row")[here].astype(np.int64)
        return Tied(rows, self.column("_tie_key")[here], self.column("_tie_words")[here])


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
