"""The way of a source's rows, chunk by chunk: selected, mapped, repaired, filtered, screened and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from medft.data.chunk import Chunk, CleanedChunk
from medft.data.cleaning.answer_faults import bits, faults_of, verdict
from medft.data.cleaning.benchmarks import Benchmarks, benchmark_of, shipped
from medft.data.cleaning.contamination import HeldOutTexts
from medft.data.cleaning.filters import reason_to_drop
from medft.data.cleaning.identifiers import redact_record
from medft.data.cleaning.key_index import Kind
from medft.data.cleaning.keys import Keys, answer_text, keys_of, question_text
from medft.data.cleaning.near_duplicates import SHINGLE
from medft.data.cleaning.repair import Repaired, repair
from medft.data.config import DatasetConfig
from medft.data.ledger import CONTAMINATED, NOT_SEARCHED
from medft.data.readers.columns import NOT_SELECTED, selected, split_of, to_record
from medft.data.readers.rows import RowError, SourceRow
from medft.data.record import Record
from medft.data.record_files import staged
from medft.data.row_log import Done, Notes
from medft.data.splitting.ties import NearCopies


def sources_of(config: DatasetConfig) -> list[Source]:
    """The sources of a data set, ready to clean their rows.

    Raises:
        DataError: the file of ``dataset.decontaminate`` cannot be read.
    """
    held_out = HeldOutTexts(config.decontaminate) if config.decontaminate else None
    sources = []
    for name, member in config.members().items():
        allowed = config.allow_benchmark_test or member.allow_benchmark_test
        near = config.cleaning.near_duplicates != "off"
        sources.append(Source(name, member, held_out, None if allowed else shipped(), near))
    return sources


@dataclass(frozen=True, slots=True)
class Source:
    """How the rows of one source are cleaned."""

    name: str
    config: DatasetConfig
    held_out: HeldOutTexts | None
    benchmarks: Benchmarks | None
    """Whose test items no training row may repeat; None where they may be trained on."""
    near: bool
    """Whether near duplicates are looked for."""

    def clean(self, chunk: Chunk) -> CleanedChunk:
        """What becomes of each row.

        Raises:
            RowError: a bad row where ``on_error`` is ``stop``, the first of the chunk.
        """
        return _Cleaning(self, chunk).done()


@dataclass(frozen=True, slots=True)
class _Row:
    """A row on its way."""

    number: int
    """Of the source, from 1."""
    row: SourceRow
    split: str
    """Where the source itself puts it; empty when it says nothing."""
    record: Record
    """Mended."""
    repaired: Repaired


class _Cleaning:
    """The rows of one chunk while they are cleaned."""

    def __init__(self, source: Source, chunk: Chunk) -> None:
        self.source, self.config, self.chunk = source, source.config, chunk
        near = NearCopies.none() if source.near else None
        self.cleaned = CleanedChunk(chunk.source, near)
        self.counts, self.costs = self.cleaned.counts, self.cleaned.costs
        self.notes = Notes()
        self.bad: dict[int, RowError] = {}

    def done(self) -> CleanedChunk:
        """All of them."""
        self.counts.rows_in = len(self.chunk.rows)
        rows = self._without_identifiers(self._without_repeats(list(self._mended())))
        if self.bad and self.config.on_error == "stop":
            raise self.bad[min(self.bad)]
        for number, error in self.bad.items():
            self.counts.dropped[error.reason] += 1
            self.notes.add(number, error.where, error.reason, "dropped")
        self._index(rows)
        with self.costs.of("writing"):
            if rows:
                self.cleaned.records = staged([row.record for row in rows], [row.row.place for row in rows])
        self.cleaned.notes = self.notes.in_order()
        return self.cleaned

    def _mended(self) -> Iterator[_Row]:
        """The rows that no repair or filter drops."""
        for number, item in enumerate(self.chunk.rows, self.chunk.before + 1):
            try:
                row = _good(item)
                split = split_of(row, self.config)
                if not selected(row, self.config):
                    self.counts.dropped[NOT_SELECTED] += 1
                    continue
                done: set[str] = set()
                record = to_record(row, number, self.source.name, self.config, done)
            except RowError as error:
                self.bad[number] = error
                continue
            self.counts.repaired.update(done)
            repaired = repair(record, self.config.cleaning, self.costs)
            found = _Row(number, row, split, repaired.record, repaired)
            if reason := repaired.drop or reason_to_drop(repaired.record, self.config.cleaning):
                self._drop(found, reason, record)
            else:
                yield found

    def _without_repeats(self, rows: list[_Row]) -> list[_Row]:
        """Those that repeat no held-out text."""
        with self.costs.of("decontamination"):
            repeated = self._repeated(rows)
        for place, text in repeated.items():
            self.counts.contaminated.append((rows[place].record.id, text))
            self._drop(rows[place], CONTAMINATED, rows[place].record)
        return [row for place, row in enumerate(rows) if place not in repeated]

    def _repeated(self, rows: list[_Row]) -> dict[int, str]:
        """By its place among ``rows``, the place of the held-out text that a row repeats.

        What its source itself holds out is never trained on, and may be a benchmark's test.
        """
        found: dict[int, str] = {}
        if held_out := self.source.held_out:
            lines = held_out.lines_in([row.record for row in rows])
            found = {place: f"line {line}" for place, line in enumerate(lines) if line}
        if not self.source.benchmarks or self.config.benchmark:
            return found
        places = [
            place
            for place, row in enumerate(rows)
            if place not in found and row.split not in ("validation", "test") and not benchmark_of(row.record)
        ]
        items = self.source.benchmarks.items_in([rows[place].record for place in places])
        for place, item in zip(places, items, strict=True):
            if item:
                self.counts.repeated[item[0]] += 1
                found[place] = f"{item[0]}, item {item[1]}"
        return dict(sorted(found.items()))

    def _without_identifiers(self, rows: list[_Row]) -> list[_Row]:
        """All rows, their identifiers counted, and replaced where the settings say so; without those that
        are refused for them."""
        kept = []
        with self.costs.of("identifiers"):
            for row in rows:
                if self.config.phi == "off":
                    self.counts.identifiers[NOT_SEARCHED] += 1
                    kept.append(row)
                    continue
                redacted, found = redact_record(row.record, self.config.names)
                if found and self.config.phi == "fail":
                    what = f"the row appears to contain identifiers: {', '.join(found)}"
                    remedy = "dataset.phi=redact, or correct the row"
                    self.bad[row.number] = RowError("identifiers", what, where=row.row.place, remedy=remedy)
                    continue
                self.counts.identifiers.update(found)
                kept.append(replace(row, record=redacted) if self.config.phi == "redact" else row)
        for row in kept:
            self.counts.repaired.update(row.repaired.mended)
            self.counts.found.update(row.repaired.found)
            for name in row.repaired.mended:
                self._note(row, name, "mended", *row.repaired.excerpts[name])
            for name in row.repaired.found:
                self._note(row, name, "kept", *row.repaired.excerpts[name])
        return kept

    def _index(self, rows: list[_Row]) -> None:
        """The keys by which rows are selected and divided."""
        index, near = self.cleaned.index, self.cleaned.near
        with self.costs.of("keys"):
            keys = [keys_of(row.record) for row in rows]
            for row, key in zip(rows, keys, strict=True):
                record = row.record
                if name := self.config.benchmark or benchmark_of(record):
                    self.counts.benchmark[name] += 1
                kind = Kind(record.task, record.label, verdict(record), bits(tuple(faults_of(record, key))))
                held_out = bool(name) and self.source.benchmarks is not None
                index.add(key, self.chunk.source, row.split, held_out, kind)
        with self.costs.of("near_duplicates"):
            if near:
                for key in keys:
                    _sign(near, key)
                near.sign()

    def _drop(self, row: _Row, reason: str, record: Record) -> None:
        self.counts.dropped[reason] += 1
        self._note(row, reason, "dropped", shown(record))

    def _note(self, row: _Row, what: str, done: Done, *texts: str) -> None:
        """Name a row in the log; without its text where identifiers may not be kept, since what is broken may
        hide one from ``redact``."""
        texts = texts if self.config.phi in ("warn", "off") else ()
        self.notes.add(row.number, row.row.place, what, done, *texts)


def _sign(near: NearCopies, keys: Keys) -> None:
    """By what texts a record may be near to others: what it teaches, its context and its question."""
    question, context = keys.words_of("question"), keys.words_of("context")
    by_answer = len(keys.words_of("answer")) >= SHINGLE
    near.texts.add(keys.words_of("answer") if by_answer else (*question, *context))
    near.contexts.add(context if by_answer else ())
    near.questions.add(question)


def shown(record: Record) -> str:
    """What an excerpt of a record begins with."""
    return f"{question_text(record)} | {answer_text(record) or record.label}"


def _good(item: SourceRow | RowError) -> SourceRow:
    if isinstance(item, RowError):
        raise item
    return item
