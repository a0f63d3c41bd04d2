"""The table of a session on a GPU, ready for README; and the rows that are trained on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from medft.aliases import Json
from medft.files import read_json, write_json, write_text
from tests.benchmarks.medquad_lengths import medquad_lengths

WORDS = ("the", "patient", "has", "a", "pain", "in", "chest", "heart", "blood", "test", "of", "may", "cause")
ROWS = 400


class Measured:
    """Rows of the table: what was tried, and what was seen.

    Args:
        folder: results.json and results.md are written there after every row, so that a crash leaves those
            before it.
        about: machine and versions; the rows of a session before are kept where these are the same.
    """

    def __init__(self, folder: Path, about: Json) -> None:
        self._about: Json = json.loads(json.dumps(about))
        self._file, self._json = folder / "results.md", folder / "results.json"
        before = read_json(self._json) if self._json.is_file() else {}
        self.rows: list[Json] = before.pop("rows", [])
        if before != self._about:
            self.rows = []

    def add(self, what: str, **seen: Any) -> None:
        """A row: figures by their names."""
        self.rows = [row for row in self.rows if row["what"] != what] + [{"what": what, **seen}]
        names = ", ".join(gpu["name"] for gpu in self._about["gpus"]) or "no GPU, a rehearsal"
        lines = [f"{names}; commit {self._about['commit']}", ""]
        lines += ["| tried | seen |", "| --- | --- |"]
        for row in self.rows:
            shown = "; ".join(f"{key} {_short(value)}" for key, value in row.items() if key != "what")
            lines.append(f"| {row['what']} | {shown} |")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._file, "\n".join(lines) + "\n")
        write_json(self._json, {**self._about, "rows": self.rows})

    @staticmethod
    def write_rows(path: Path, longest: int) -> None:
        """``ROWS`` distinct pairs of question and answer whose lengths are drawn from MedQuAD's."""
        draw = random.Random(1)
        lengths = draw.sample(medquad_lengths(longest), ROWS)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for number, length in enumerate(lengths):
                answer = " ".join(draw.choice(WORDS) for _ in range(max(length // 2 - 20, 5)))
                file.write(json.dumps({"question": f"What is condition {number}?", "answer": answer}) + "\n")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
