"""loss.csv: one line per logged step, on disk before the next step begins."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from medft.errors import RunError
from medft.files import read_text, write_text
from medft.runs.losses import LARGEST_LOG

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class LossRow:
    """A line of loss.csv; None is an empty cell."""

    step: int
    """Optimizer steps done."""
    epoch: float
    """Passes over the training rows."""
    split: Split
    """What the loss is of; a training loss is the mean since the line before."""
    loss: float
    """Cross-entropy per trained token, in nats."""
    bits_per_byte: float | None
    """Bits per byte of the answers."""
    learning_rate: float | None
    """Learning rate of the step."""
    grad_norm: float | None
    """Before clipping."""
    tokens: int
    """Tokens trained on so far, padding left out."""
    seconds: float
    """Since training began, interruptions left out."""


HEADER = tuple(field.name for field in fields(LossRow))


class LossLog:
    """Appends to loss.csv, a flushed line at a time.

    Args:
        path: the file; created with its header when missing.
        resume_step: lines after this step, and those of the test at the end, are dropped first, so that a
            resumed run writes nothing twice; None drops all.
    """

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        kept = [] if resume_step is None else _until(read_rows(path), resume_step)
        self.last = kept[-1] if kept else None
        lines = [",".join(HEADER), *(",".join(row[name] for name in HEADER) for row in kept)]
        write_text(path, "\n".join(lines) + "\n")
        self._path = path
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def write(self, row: LossRow) -> None:
        """Append one line and hand it to the operating system.

        Raises:
            RunError: the file is gone: somebody removed or renamed the run folder.
        """
        self._writer.writerow(["" if value is None else value for value in asdict(row).values()])
        self._file.flush()
        if not self._path.exists():
            raise RunError(
                "the run folder was removed or renamed during training",
                where=str(self._path.parent),
                remedy="start a new run, or resume the folder under its new name",
            )


def _until(rows: list[dict[str, str]], step: int) -> list[dict[str, str]]:
    return [row for row in rows if int(row["step"]) <= step and row["split"] != "test"]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The whole lines of a loss.csv; a last line cut by a kill is left out.

    Raises:
        RunError: it is none.
    """
    try:
        text = read_text(path, LARGEST_LOG)
        whole = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
        rows = [row for row in whole if None not in row.values() and None not in row]
        if any(int(row["step"]) < 0 or row["split"] not in get_args(Split) for row in rows):
            raise ValueError
    except (ValueError, KeyError, csv.Error):
        raise RunError(
            f"{path.name} is damaged: it is not a loss log",
            where=str(path),
            remedy="copy the complete run folder again, or train again",
        ) from None
    return rows
