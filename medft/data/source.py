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
from medft.data.cleaning.keys import answer_text, question_text
from medft.data.cleaning.repair import Repaired, repair
from medft.data.config import DatasetConfig
from medft.data.costs import Costs
from medft.data.readers.columns import NOT_SELECTED, check_columns, selected, split_of, to_record
from medft.data.readers.rows import RowError, SourceRow
from medft.data.readers.sources import read_rows
from medft.data.record import Record
from medft.data.row_log import Done, RowLog
from medft.errors import DataError


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A record that has passed the checks of one row."""

    record: Record
    """Mended."""
    split: str
    """Where the source itself puts it; empty when it says nothing."""
    place: str
    """File and line."""


@dataclass(slots=True)
class SourceCounts:
    """What is counted while one source is read."""

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


@dataclass(slots=True)
class Source:
    """One source while it is read."""

    name: str
    config: DatasetConfig
    held_out: HeldOutTexts | None
    benchmarks: Benchmarks | None
    """Whose test items no training row may repeat."""
    progress: Advance
    log: RowLog
    costs: Costs
    counts: SourceCounts = field(default_factory=SourceCounts)
    ids: set[int] = field(default_factory=set)

    def records(self) -> Iterator[Cleaned]:
        """The cleaned records; all else is counted."""
        rows = check_columns(read_rows(self.config), self.config)
        for item in self.costs.of_each("reading", rows):
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
                self.log.note(error.where, error.reason, "dropped")
            if isinstance(outcome, Record):
                yield Cleaned(outcome, split, row.place)
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
        repaired = repair(record, self.config.cleaning, self.costs)
        cleaned = repaired.record
        if reason := repaired.drop or reason_to_drop(cleaned, self.config.cleaning):
            self._note(row.place, reason, "dropped", shown(record))
            return reason
        with self.costs.of("decontamination"):
            repeated = self._repeated(cleaned, split)
        if repeated:
            self.counts.contaminated.append((cleaned.id, repeated))
            self._note(row.place, CONTAMINATED, "dropped", shown(cleaned))
            return CONTAMINATED
        with self.costs.of("identifiers"):
            screened = self._without_identifiers(cleaned, row)
        self._count(repaired, row.place)
        return screened

    def _count(self, repaired: Repaired, place: str) -> None:
        self.counts.repaired.update(repaired.mended)
        self.counts.found.update(repaired.found)
        for name in repaired.mended:
            self._note(place, name, "mended", *repaired.excerpts[name])
        for name in repaired.found:
            self._note(place, name, "kept", *repaired.excerpts[name])

    def _note(self, place: str, what: str, done: Done, *texts: str) -> None:
        """Name a row in the log; without its text where identifiers may not be kept, since what is broken may
        hide one from ``redact``."""
        self.log.note(place, what, done, *(texts if self.config.phi == "warn" else ()))

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


def shown(record: Record) -> str:
    """What an excerpt of a record begins with."""
    return f"{question_text(record)} | {answer_text(record) or record.label}"


def _good(item: SourceRow | RowError) -> SourceRow:
    if isinstance(item, RowError):
        raise item
    return item
