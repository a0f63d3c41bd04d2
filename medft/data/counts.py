"""Counters filled while a source is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SourceCounts:
    """The counts of one source, or of a chunk of it."""

    rows_in: int = 0
    """Rows met, readable or not."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    repaired: Counter[str] = field(default_factory=Counter)
    """Rows changed, by repair."""
    found: Counter[str] = field(default_factory=Counter)
    """Rows with a fault that was left as it is, by fault."""
    identifiers: Counter[str] = field(default_factory=Counter)
    """Patterned identifiers found, by kind."""
    benchmark: Counter[str] = field(default_factory=Counter)
    """Test rows of benchmarks, by benchmark."""
    contaminated: list[tuple[str, str]] = field(default_factory=list)
    """Ids of rows dropped for repeating a held-out text, with the place of that text."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Rows dropped for repeating a test item, by benchmark."""

    def add(self, more: SourceCounts) -> None:
        """Count what a chunk has, too."""
        self.rows_in += more.rows_in
        self.contaminated += more.contaminated
        for name in ("dropped", "repaired", "found", "identifiers", "benchmark", "repeated"):
            getattr(self, name).update(getattr(more, name))
