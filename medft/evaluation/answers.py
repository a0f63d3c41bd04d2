"""The answers on disk, so that a killed evaluation asks nothing twice.

<suite>.answers.jsonl has one JSON object per question, system and kind of asking, appended and flushed batch
by batch. A line is found again by its key, the digest of what the answer depends on: the weights and the type
they are computed in, the prompt ids, what was asked, and the settings of the generation. Whatever changes one
of them changes the key, and the line is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.errors import RunError
from medft.files import write_text

AnswerRow = Mapping[str, Any]
"""A saved answer: its fields by name."""


class AnswerFile:
    """The answers on disk, by key.

    Args:
        path: the file; it is created with the first answer. A last line that a kill cut short is left out,
            and whatever it held is asked again.
        lenders: the files of other runs, whose answers to the same question by the same weights are taken
            over: several adapters of one base ask it once.
    """

    def __init__(self, path: Path, lenders: Sequence[Path] = ()) -> None:
        self.path = path
        self._rows = _read(path)
        self._lent = {key: row for lender in lenders for key, row in _read(lender).items()}

    def get(self, key: str) -> AnswerRow | None:
        """The row of ``key``, or None when it was not answered yet."""
        return self._rows.get(key) or self._lent.get(key)

    def add(self, rows: Mapping[str, AnswerRow]) -> None:
        """Append rows, by key; they are on disk when this returns."""
        if not self.path.exists() or not self._clean_end():
            write_text(self.path, "".join(_line(key, row) for key, row in self._rows.items()))
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(_line(key, row) for key, row in rows.items()))
            file.flush()
        self._rows |= rows

    def keep(self, about: Iterable[tuple[str, AnswerRow]]) -> None:
        """Rewrite the file with the rows whose keys are in ``about`` alone, each with what stands there of
        it: what a finished suite was scored from. A key that stands there twice gets two lines."""
        known = [(key, {**row, **said}) for key, said in about if (row := self.get(key)) is not None]
        self._rows = dict(known)
        write_text(self.path, "".join(_line(key, row) for key, row in known))

    def _clean_end(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(0, 2)
            if file.tell() == 0:
                return True
            file.seek(-1, 2)
            return file.read(1) == b"\n"


def digest(*parts: object) -> str:
    """A key: the digest of everything an answer depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _line(key: str, row: AnswerRow) -> str:
    return json.dumps({"key": key, **row}, ensure_ascii=False) + "\n"


def _read(path: Path) -> dict[str, AnswerRow]:
    if path.exists() and not path.is_file():
        raise RunError(f"{path.name} is not a file", where=str(path), remedy="move it away")
    if not path.exists():
        return {}
    rows: dict[str, AnswerRow] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row: dict[str, Any] = json.loads(line)
            rows[str(row.pop("key"))] = row
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            continue  # an empty line, or one cut short; its question is asked again
    return rows
