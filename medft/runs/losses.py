"""The losses of a run, each with one name, one definition and its number of rows: whatever shows one to a
person takes it from here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medft.runs.record import RunRecord
from medft.runs.values import mapping, number

LARGEST_LOG = 1 << 30
"""Bytes of a loss.csv of ten million steps."""
SPLITS = ("validation", "test")
_FIGURES = {
    "train_loss": "train loss, mean of all steps",
    "train_loss_last_fifth": "train loss, mean of the last fifth of the steps",
    "base_validation_loss": "validation loss of the base",
    "validation_loss": "validation loss",
    "base_test_loss": "test loss of the base",
    "test_loss": "test loss",
    "bits_per_byte": "validation bits per byte of the answers",
}
"""What the keys of summary.json are called."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One figure of a run."""

    name: str
    """What it is of."""
    value: float
    """Nats per trained token; bits per byte where the name says so."""
    rows: int | None
    """Rows it was measured on; None where the folder does not say it."""


def train_means(steps: Sequence[float], losses: Sequence[float]) -> dict[str, float | None]:
    """Means of the training loss over steps: of all (``train_loss``, as transformers and W&B have it), of the
    first fifth and of the last.

    Args:
        steps: the step of each line of loss.csv. losses: the mean since the line before.
    """
    at = [0.0, *steps]
    counts = [now - before for before, now in itertools.pairwise(at)]
    fifth = max(len(losses) // 5, 1)
    parts = {"": slice(None), "_first_fifth": slice(fifth), "_last_fifth": slice(-fifth, None)}
    return {f"train_loss{name}": _mean(losses[part], counts[part]) for name, part in parts.items()}


def rows_asked(record: RunRecord) -> dict[str, int]:
    """How many rows each loss is of: all of train, and those of validation and test that are asked."""
    trainer, known = mapping(record.settings, "trainer"), mapping(record.ledger, "encoding")
    rows = {split: number(mapping(known, split), "rows") for split in ("train", *SPLITS)}
    most = {split: number(trainer, f"{split}_rows") for split in SPLITS}
    return {
        split: int(min(have, most.get(split) or have)) for split, have in rows.items() if have is not None
    }


def named(record: RunRecord) -> Iterator[Loss]:
    """The losses that summary.json has, in words."""
    rows = rows_asked(record)
    for key, name in _FIGURES.items():
        if (value := number(record.summary, key)) is not None:
            yield Loss(name, value, rows.get(name.split()[0]))


def of_rows(rows: Mapping[str, int], split: str) -> str:
    """`` on 27 rows``; empty where the number is not known."""
    return f" on {rows[split]:,} rows" if split in rows else ""


def _mean(losses: Sequence[float], counts: Sequence[float]) -> float | None:
    total = sum(counts)
    return sum(x * n for x, n in zip(losses, counts, strict=True)) / total if total else None
