"""The account of a data set, checked to the row: rows in = rows kept + rows dropped by reason."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medft.config import build, plain
from medft.errors import DataError

CONTAMINATED = "contaminated"
"""The reason of rows that repeat a test item of a benchmark, or a text of `dataset.decontaminate`."""
NOT_SEARCHED = "row_not_searched"
"""In place of a kind of identifier: a row in which none was looked for."""


@dataclass(frozen=True, slots=True)
class SourceLedger:
    """The account of one source."""

    name: str
    """Its name within the data set."""
    license: str
    """Its license, as configured."""
    fingerprint: str
    """Digest of the bytes that were read, or the commit of the hub data set."""
    rows_in: int
    """Rows met, readable or not."""
    kept: dict[str, int]
    """Rows kept, by split."""
    dropped: dict[str, int]
    """Rows dropped, by reason."""
    repaired: dict[str, int]
    """Rows changed by each repair; a row may have several."""
    found: dict[str, int] = field(default_factory=dict)
    """Rows with a fault for which they are neither mended nor dropped, by fault."""
    identifiers: dict[str, int] = field(default_factory=dict)
    """Patterned identifiers met in rows that passed cleaning, by kind; see `dataset.phi`."""
    repeated: dict[str, int] = field(default_factory=dict)
    """Rows dropped because they repeat a test item, by benchmark."""
    screened_for: tuple[str, ...] = ()
    """Benchmarks whose test items its rows were screened for; none with `dataset.allow_benchmark_test`."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The account of a data set, over all of its sources."""

    dataset: str
    """Name of the data set."""
    seed: int
    """Seed of the split and of what was drawn."""
    sources: tuple[SourceLedger, ...]
    """One account per source."""
    fingerprints: dict[str, str]
    """Digest of the content of each split, in order, and of the settings (``config``)."""
    notes: tuple[str, ...] = ()
    """What else a reader must know: held-out benchmark rows, shares that could not be met, ..."""
    statistics: dict[str, int] = field(default_factory=dict)
    """Counts that are no rows in or out: near-duplicate clusters, the largest group, ..."""
    untied: dict[str, int] = field(default_factory=dict)
    """What does not tie rows together although it might (`dataset.split.tie`): how many rows it would tie."""

    @property
    def rows_in(self) -> int:
        """Rows met in all sources."""
        return sum(source.rows_in for source in self.sources)

    def kept(self) -> Counter[str]:
        """Rows kept, by split."""
        return sum((Counter(source.kept) for source in self.sources), Counter())

    def dropped(self) -> Counter[str]:
        """Rows dropped, by reason."""
        return sum((Counter(source.dropped) for source in self.sources), Counter())

    def check(self) -> Ledger:
        """Itself, when every source's sums hold.

        Raises:
            DataError: a row is unaccounted for, which is a fault of medft and never of the data.
        """
        for source in self.sources:
            out = sum(source.kept.values()) + sum(source.dropped.values())
            if out != source.rows_in:
                raise DataError(
                    f"the ledger does not add up: {source.rows_in} rows in, {out} kept or dropped",
                    where=f"source '{source.name}' of data set '{self.dataset}'",
                    remedy="this is a fault of medft: please report it with the ledger",
                )
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values with the totals first."""
        totals = {"rows_in": self.rows_in, "kept": dict(self.kept()), "dropped": dict(self.dropped())}
        rest: dict[str, Any] = plain(self)
        statistics = rest.pop("statistics")
        return {"dataset": rest.pop("dataset"), "totals": totals, **rest, "figures": statistics}

    @staticmethod
    def from_json(values: Mapping[str, object]) -> Ledger:
        """The inverse of ``to_json``."""
        names = {field.name: field.name for field in dataclasses.fields(Ledger)} | {"statistics": "figures"}
        return build(Ledger, {name: values[key] for name, key in names.items() if key in values}).check()

    def summary(self) -> str:
        """One line: ``212 rows -> 170 train, 21 validation, 21 test; 0 dropped``."""
        kept = ", ".join(f"{count:,} {split}" for split, count in self.kept().items())
        dropped = self.dropped()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
        return f"{self.rows_in:,} rows -> {kept}; {dropped.total():,} dropped" + (
            f" ({reasons})" if reasons else ""
        )
