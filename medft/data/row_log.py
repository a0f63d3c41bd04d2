"""Which rows were mended, dropped, or have a fault that was left: a line for each in ``rows.jsonl``.

The first ten of each kind have an excerpt of their text, unless ``dataset.phi`` is redact or fail.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
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

    def note(self, row: str, what: str, done: Done, *texts: str) -> None:
        """One row.

        Args:
            row: its place.
            what: the fault, repair or reason, by the name that the ledger has.
            done: what became of the row.
            texts: the text of the row; two of them are what it was and what it has become.
        """
        values = {"row": row, "what": what, "done": done}
        if texts and self._told[what, done] < EXAMPLES:
            values["text"] = _difference(*texts) if len(texts) == 2 else _start(texts[0])
        self._told[what, done] += 1
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
