"""The result of a comparison: its lines, panels, tests, warnings and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medft.report.comparison.seeds import Group, PairTest, Spread
from medft.report.comparison.settings import DifferingSettings
from medft.report.subject import Subject

Metric = Literal["bits_per_byte", "loss"]
Axis = Literal["step", "tokens", "seconds"]


@dataclass(frozen=True, slots=True)
class Line:
    """One configuration in the comparison: what is drawn as one line and listed in one row."""

    label: str
    """Shortest name that tells it from the others."""
    group: Group
    """Its seeds."""
    letter: str
    """Equal for lines that were trained and evaluated on the same data, split and prompt; ``?`` unknown."""
    metric: Metric
    """What it is measured in here."""
    final: Spread | None
    """Last validation value over its seeds; None when none was logged."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that may share an axis."""

    metric: Metric
    """The axis."""
    tokenizer: str | None
    """Fingerprint all lines share; None for several or unknown ones."""
    lines: tuple[int, ...]
    """Indices of lines, best final value first."""
    note: str = ""
    """What the reader must know of this axis."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a report of a comparison says."""

    subjects: tuple[Subject, ...]
    """The runs."""
    lines: tuple[Line, ...]
    """Configurations, one per row."""
    panels: tuple[Panel, ...]
    """What is drawn on which axis."""
    pairs: tuple[PairTest, ...]
    """Tests between repeated configurations (indices of lines)."""
    differs: DifferingSettings
    """Settings that differ."""
    warnings: tuple[str, ...]
    """What must not be overlooked."""
    notes: tuple[str, ...]
    """What is good to know."""
    x: Axis
    """The horizontal axis."""

    def members(self, line: Line) -> list[Subject]:
        """The subjects of a line."""
        return [self.subjects[index] for index in line.group.members]

    def names(self, pair: PairTest) -> str:
        """``mistral vs gemma``."""
        return f"{self.lines[pair.first].label} vs {self.lines[pair.second].label}"
