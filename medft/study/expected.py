"""What is known about a cell before training: its cost, and how its runs are recognized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft.data.record import Record
from medft.prompt.config import TemplateConfig
from medft.study.cells import Cell


@dataclass(frozen=True, slots=True)
class Expected:
    """One cell, planned on this machine."""

    cell: Cell
    """Which."""
    settings: Mapping[str, object]
    """All of its settings, decided and by dotted key, as the record of a run has them."""
    fingerprints: Mapping[str, str]
    """Of its data, split and template, and of the tokenizer where that is at hand."""
    steps: int
    """Optimizer steps of a run."""
    tokens: int
    """Tokens trained on in a run."""
    seconds: float | None
    """Time of a run; None where nothing tells it."""
    disk: int | None
    """Bytes of a run; None where sizes are not known."""
    download: int
    """Bytes of base checkpoints that are not on this machine yet."""
    problems: tuple[str, ...]
    """What may stand in the way, each with what to do."""
    template: TemplateConfig
    """The words around its records."""
    tiny: bool
    """Whether a tiny twin is trained."""
    test: Sequence[Record]
    """Its held-out rows."""
    train: Sequence[Record]
    """Its training rows."""
