"""Records rows that were repaired, dropped or left with a fault, one line each, in ``rows.jsonl``.

The first ten of each kind have an excerpt of their text, unless ``dataset.phi`` is redact or fail.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

ROWS = "rows.jsonl"
"""In the folder of a prepared data set: ``row`` (file and line), ``what`` and ``done`` of each."""
EXAMPLES = 10
AROUND = 40
"""Characters of an excerpt before and after what was changed."""

Done = Literal["dropped", "mended", "kept"]


@dataclass(frozen=True, slots=True)
class Note:
    """What was found in one row."""

    row: str
    """Its place."""
    what: str
    """The fault, repair or reason, by the name that the ledger has."""
    done: Done
    """What became of the row."""
    text: str = ""
    """An excerpt; empty where there is none."""


class Notes:
    """The notes of some rows, each with the number of its row; the first few of each kind have an excerpt."""

    def __init__(self) -> None:
        self._notes: list[tuple[int, Note]] = []
        self._told: Counter[tuple[str, str]] = Counter()

    def add(self, number: int, row: str, what: str, done: Done, *texts: str) -> None:
        """Note something.

        Args:
            number: of the row, by which notes are put in order.
            row: its place.
            what: as ``Note`` has it.
            done: what became of the row.
            texts: the text of the row; two of them are what it was and what it has become.
        """
        text = ""
        if texts and self._told[what, done] < EXAMPLES:
            text = _difference(*texts) if len(texts) == 2 else _start(texts[0])
        self._told[what, done] += 1
        self._notes.append((number, Note(row, what, done, text)))

    def in_order(self) -> list[Note]:
        """The notes, row by row."""
        return [note for _, note in sorted(self._notes, key=lambda noted: noted[0])]


class RowLog:
    """Writes the lines; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> RowLog:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, notes: Iterable[Note]) -> None:
        """A line for each."""
        for note in notes:
            values = {"row": note.row, "what": note.what, "done": note.done}
            if note.text and self._told[note.what, note.done] < EXAMPLES:
                values["text"] = note.text
            self._told[note.what, note.done] += 1
            self._file.write(json.dumps(values, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class NotedRow:
    """A row of the log."""

    row: str
    """File and line."""
    text: str = ""
    """An excerpt; empty where none may be shown, or there is none."""


@dataclass(frozen=True, slots=True)
class NotedRows:
    """All rows of one kind."""

    what: str
    """Fault, repair or reason."""
    done: str
    """dropped, mended or kept"""
    rows: int
    """How many."""
    first: tuple[NotedRow, ...]
    """The first ``EXAMPLES`` of them."""


def read_log(folder: Path) -> tuple[NotedRows, ...]:
    """The kinds of rows in a prepared folder: those dropped, those left with a fault, then those mended, the
    most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], list[NotedRow]] = {}
    for values in _lines(folder / ROWS):
        kind = values["what"], values["done"]
        counts[kind] += 1
        if counts[kind] <= EXAMPLES:
            first.setdefault(kind, []).append(NotedRow(values["row"], values.get("text", "")))
    order = ("dropped", "kept", "mended")
    kinds = sorted(counts, key=lambda kind: (order.index(kind[1]), -counts[kind], kind[0]))
    return tuple(NotedRows(*kind, counts[kind], tuple(first[kind])) for kind in kinds)


def _lines(path: Path) -> Iterator[dict[str, str]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def _start(text: str) -> str:
    return text if len(text) <= 3 * AROUND else text[: 3 * AROUND] + " ..."


def _difference(before: str, after: str) -> str:
    """The first place where two texts differ, as ``before -> after``."""
    shared = next(
        (n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )
    part = slice(max(0, shared - AROUND), shared + AROUND)
    return f"{before[part]} -> {after[part]}"
