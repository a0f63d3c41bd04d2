"""The way of one row of a source: read, selected, mapped, repaired, filtered, screened and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from medft.aliases import Advance
from medft.data.cleaning.benchmarks import Benchmarks, benchmark_of
from medft.data.cleaning.contamination import CONTAMINATED, HeldOutTexts
from medft.data.cleaning.filters import reason_to_drop
from medft.data.cleaning.identifiers import redact_record
from medft.data.cleaning.repair import repair
from medft.data.config import DatasetConfig
from medft.data.readers.columns import NOT_SELECTED, check_columns, selected, split_of, to_record
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows
from medft.data.record import Record
from medft.errors import DataError

MOST_SKIPPED = 1000


@dataclass(slots=True)
class SourceCounts:
    """What is counted while one source is read."""

    rows_in: int = 0
    """Rows met, readable or not."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    repaired: Counter[str] = field(default_factory=Counter)
    """Rows changed, by repair."""
    identifiers: Counter[str] = field(default_factory=Counter)
    """Patterned identifiers found, by kind."""
    benchmark: Counter[str] = field(default_factory=Counter)
    """Test rows of benchmarks, by benchmark."""
    contaminated: list[tuple[str, str]] = field(default_factory=list)
    """Ids of rows dropped for repeating a held-out text, with the place of that text."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Rows dropped for repeating a test item, by benchmark."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Places of the first ``MOST_SKIPPED`` rows that could not be used, with the reason."""


@dataclass(slots=True)
class Source:
    """One source while it is read."""

    name: str
    config: DatasetConfig
    held_out: HeldOutTexts | None
    benchmarks: Benchmarks | None
    """Whose test items no training row may repeat."""
    progress: Advance
    counts: SourceCounts = field(default_factory=SourceCounts)
    ids: set[int] = field(default_factory=set)

    def records(self) -> Iterator[tuple[Record, str]]:
        """The cleaned records with the split that the source itself puts them in; all else is counted."""
        for item in check_columns(read_rows(self.config), self.config):
            self.counts.rows_in += 1
            self.progress(1)
            try:
                row = _good(item)
                split = split_of(row, self.config)
                outcome = self._one(row, split)
            except RowError as error:
                if self.config.on_error == "stop":
                    raise
                outcome = error.reason
                if len(self.counts.skipped) < MOST_SKIPPED:
                    self.counts.skipped.append((error.where, error.reason))
            if isinstance(outcome, Record):
                yield outcome, split
            else:
                self.counts.dropped[outcome] += 1
        if not self.counts.rows_in:
            where = str(self.config.path or self.config.repo)
            raise DataError(f"data set '{self.config.name}' has no rows", where=where)

    def count_benchmark(self, record: Record) -> bool:
        """Whether ``record`` is a test question of a benchmark."""
        name = self.config.benchmark or benchmark_of(record)
        if name:
            self.counts.benchmark[name] += 1
        return bool(name)

    def _one(self, row: SourceRow, split: str) -> Record | str:
        """The cleaned record of a row, or the reason why there is none."""
        if not selected(row, self.config):
            return NOT_SELECTED
        done: set[str] = set()
        record = to_record(row, self.counts.rows_in, self.name, self.config, done)
        self.counts.repaired.update(done)
        self._check_id(record, row)
        cleaned = repair(record, self.counts.repaired)
        if reason := reason_to_drop(cleaned, self.config.cleaning):
            return reason
        if repeated := self._repeated(cleaned, split):
            self.counts.contaminated.append((cleaned.id, repeated))
            return CONTAMINATED
        return self._without_identifiers(cleaned, row)

    def _repeated(self, record: Record, split: str) -> str:
        """The place of a held-out text that ``record`` repeats, or nothing.

        What its source itself holds out is never trained on, and may be a benchmark's test.
        """
        if self.held_out and (line := self.held_out.line_in(record)):
            return f"line {line}"
        if not self.benchmarks or split in ("validation", "test") or self.config.benchmark:
            return ""
        if benchmark_of(record) or (found := self.benchmarks.item_in(record)) is None:
            return ""
        self.counts.repeated[found[0]] += 1
        return f"{found[0]}, item {found[1]}"

    def _check_id(self, record: Record, row: SourceRow) -> None:
        if self.config.columns.id is None:
            return
        number = hash(record.id)
        if number in self.ids:
            what = f"the id in column '{self.config.columns.id}' has been met before"
            remedy = "dataset.columns.id=null numbers the rows, dataset.on_error=skip drops the repetition"
            raise RowError("duplicate_id", what, where=row.place, remedy=remedy)
        self.ids.add(number)

    def _without_identifiers(self, record: Record, row: SourceRow) -> Record:
        redacted, found = redact_record(record, self.config.names)
        if not found:
            return record
        if self.config.phi == "fail":
            what = f"the row holds what looks like identifiers: {', '.join(found)}"
            raise RowError(
                "identifiers", what, where=row.place, remedy="dataset.phi=redact, or repair the row"
            )
        self.counts.identifiers.update(found)
        return redacted if self.config.phi == "redact" else record


def _good(item: SourceRow | RowError) -> SourceRow:
    if isinstance(item, RowError):
        raise item
    return item
