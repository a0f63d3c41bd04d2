"""Sources -> one file of cleaned records, with the index of keys that decides what becomes of them.

Owns the way of one row: read, selected, mapped, cleaned, screened, counted. Knows nothing of splits or the
cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from medft.data.cleaning.benchmarks import HeldOutTexts, benchmark_of
from medft.data.cleaning.identifiers import redact
from medft.data.cleaning.keys import keys_of
from medft.data.cleaning.near_duplicates import Signatures
from medft.data.cleaning.repair import clean
from medft.data.cleaning.select import Index
from medft.data.config import DatasetConfig
from medft.data.readers.columns import NOT_SELECTED, check_columns, selected, split_of, to_record
from medft.data.readers.rows import Row, RowError
from medft.data.readers.sources import read_rows
from medft.data.record import Record
from medft.data.record_files import RecordWriter
from medft.errors import DataError

CONTAMINATED = "contaminated"
MOST_SKIPPED = 1000

Progress = Callable[[int], object]
"""Called with the rows read since the last call."""


@dataclass(slots=True)
class Tally:
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
    contaminated: list[tuple[str, int]] = field(default_factory=list)
    """Ids of rows dropped for repeating a held-out text, with the line of that text."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Places of the first ``MOST_SKIPPED`` rows that could not be used, with the reason."""


@dataclass(slots=True)
class Staged:
    """All sources read and cleaned."""

    index: Index
    """Keys of the staged records, in the order of the file."""
    signatures: Signatures | None
    """Their MinHash signatures, unless near duplicates are not looked for."""
    tallies: dict[str, Tally]
    """By name of the source."""


def stage(config: DatasetConfig, path: Path, progress: Progress) -> Staged:
    """Read and clean every source of ``config`` into the file ``path``, telling ``progress`` on the way.

    Raises:
        DataError: a source that cannot be used, or a bad row where ``on_error`` is ``stop``.
        HubError: a hub that cannot be reached or refuses.
    """
    staged = Staged(Index(), None if config.cleaning.near_duplicates == "off" else Signatures(), {})
    held_out = HeldOutTexts(config.decontaminate) if config.decontaminate else None
    with RecordWriter(path) as writer:
        for position, (name, member) in enumerate(config.members().items()):
            source = _Source(name, member, held_out, progress)
            staged.tallies[name] = source.tally
            allowed = config.allow_benchmark_test or member.allow_benchmark_test
            for record, split in source.records():
                is_benchmark = source.count_benchmark(record)
                keys = keys_of(record)
                writer.add(record)
                staged.index.add(keys, position, split, is_benchmark and not allowed)
                if staged.signatures:
                    staged.signatures.add(keys.words)
    return staged


@dataclass(slots=True)
class _Source:
    """One source while it is read."""

    name: str
    config: DatasetConfig
    held_out: HeldOutTexts | None
    progress: Progress
    tally: Tally = field(default_factory=Tally)
    ids: set[int] = field(default_factory=set)

    def records(self) -> Iterator[tuple[Record, str]]:
        """The cleaned records with the split that the source itself puts them in; all else is counted."""
        for item in check_columns(read_rows(self.config), self.config):
            self.tally.rows_in += 1
            self.progress(1)
            try:
                row = _good(item)
                outcome, split = self._one(row), split_of(row, self.config)
            except RowError as error:
                if self.config.on_error == "stop":
                    raise
                outcome = error.reason
                if len(self.tally.skipped) < MOST_SKIPPED:
                    self.tally.skipped.append((error.where, error.reason))
            if isinstance(outcome, Record):
                yield outcome, split
            else:
                self.tally.dropped[outcome] += 1
        if not self.tally.rows_in:
            where = str(self.config.path or self.config.repo)
            raise DataError(f"data set '{self.config.name}' has no rows", where=where)

    def count_benchmark(self, record: Record) -> bool:
        """Whether ``record`` is a test question of a benchmark."""
        name = self.config.benchmark or benchmark_of(record)
        if name:
            self.tally.benchmark[name] += 1
        return bool(name)

    def _one(self, row: Row) -> Record | str:
        """The cleaned record of a row, or the reason why there is none."""
        if not selected(row, self.config):
            return NOT_SELECTED
        record = to_record(row, self.tally.rows_in, self.name, self.config)
        self._check_id(record, row)
        cleaned = clean(record, self.config.cleaning, self.tally.repaired)
        if isinstance(cleaned, str):
            return cleaned
        if self.held_out and (line := self.held_out.line_in(cleaned)):
            self.tally.contaminated.append((cleaned.id, line))
            return CONTAMINATED
        return self._without_identifiers(cleaned, row)

    def _check_id(self, record: Record, row: Row) -> None:
        if self.config.columns.id is None:
            return
        number = hash(record.id)
        if number in self.ids:
            what = f"the id in column '{self.config.columns.id}' has been met before"
            remedy = "dataset.columns.id=null numbers the rows, dataset.on_error=skip drops the repetition"
            raise RowError("duplicate_id", what, where=row.place, remedy=remedy)
        self.ids.add(number)

    def _without_identifiers(self, record: Record, row: Row) -> Record:
        redacted, found = redact_record(record)
        if not found:
            return record
        if self.config.phi == "fail":
            what = f"the row holds what looks like identifiers: {', '.join(found)}"
            raise RowError(
                "identifiers", what, where=row.place, remedy="dataset.phi=redact, or repair the row"
            )
        self.tally.identifiers.update(found)
        return redacted if self.config.phi == "redact" else record


def redact_record(record: Record) -> tuple[Record, Counter[str]]:
    """``record`` with its patterned identifiers replaced by their kinds, and how many there were of each."""
    found: Counter[str] = Counter()

    def replaced(text: str) -> str:
        text, counts = redact(text)
        found.update(counts)
        return text

    return (
        replace(
            record,
            question=replaced(record.question),
            context=replaced(record.context),
            answer=replaced(record.answer),
            turns=tuple(replace(turn, content=replaced(turn.content)) for turn in record.turns),
        ),
        found,
    )


def _good(item: Row | RowError) -> Row:
    if isinstance(item, RowError):
        raise item
    return item
