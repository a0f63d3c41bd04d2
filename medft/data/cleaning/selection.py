"""Keeps or drops rows of an index, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medft.data.cleaning.key_index import Mask


@dataclass(slots=True)
class Selection:
    """What became of every row of an index."""

    kept: Mask
    """True for rows that stay."""
    reasons: dict[str, Mask] = field(default_factory=dict)
    """Rows dropped, by reason; no row under two."""
    found: dict[str, Mask] = field(default_factory=dict)
    """Rows with a fault for which they were not dropped, by its name."""
    notes: list[str] = field(default_factory=list)
    """What could not be done as asked."""

    def drop(self, reason: str, rows: Mask) -> None:
        """Drop those of ``rows`` that are still kept."""
        rows = rows & self.kept
        if rows.any():
            self.reasons[reason] = self.reasons.get(reason, np.zeros_like(rows)) | rows
            self.kept &= ~rows
