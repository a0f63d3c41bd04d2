"""What a person should know of a data set before training on it.

Owns the figures of a prepared data set and what they mean. Prints nothing; text of the data, identifiers
above all, never enters the report. Knows tokens only through a function that counts them.
"""

from __future__ import annotations

import itertools
import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medft.config import plain
from medft.data.keys import ABSENT, answer_text, question_text, same_words
from medft.data.overlap import Overlap, overlap
from medft.data.prepare import Prepared
from medft.data.record import Record
from medft.data.select import SPLIT_NAMES

PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
BINS = 40
LANGUAGE_SAMPLE = 1000
LANGUAGE_CHARACTERS = 40
"""Shorter texts have no language that can be told."""
BATCH = 256

CountTokens = Callable[[Sequence[Record]], Sequence[tuple[int, int]]]
"""Records -> for each the tokens of the whole row, not cut, and those of them that carry loss."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths."""

    unit: str
    """characters or tokens"""
    percentiles: dict[str, int]
    """Length at 0, 5, 25, 50, 75, 95, 99 and 100%."""
    edges: tuple[int, ...]
    """Edges of the bins of a histogram."""
    counts: tuple[int, ...]
    """Rows per bin."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the chosen tokenizer and template make of the rows."""

    max_length: int
    """Longest row that training takes."""
    rows_over: int
    """Rows longer than that."""
    tokens: int
    """Tokens of all rows, not cut."""
    loss_tokens: int
    """Tokens that carry loss, not cut."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Answers that several kept rows share, after normalisation; what cleaning dropped is not among them."""

    answers: int
    """Different answers that stand in more than one row."""
    rows: int
    """Rows that have one of them."""
    most: int
    """Rows with the most common one."""


@dataclass(frozen=True, slots=True)
class Languages:
    """Languages of a sample of the answers (questions where there is no answer)."""

    sampled: int
    """Rows looked at that were long enough."""
    found: dict[str, int]
    """Rows by detected ISO 639-1 code."""
    unlike: int
    """Rows whose detected language is not the one that the data set claims."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know or to do."""

    level: str
    """problem (do not train like this), warning, or note"""
    what: str
    """In a sentence."""
    remedy: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one prepared data set."""

    ledger: dict[str, Any]
    """``Ledger.to_json``: rows in, kept, dropped by reason; repairs; identifiers by kind."""
    tasks: dict[str, dict[str, int]]
    """Rows by split and task."""
    lengths: dict[str, Lengths]
    """Of question, context and answer in characters, and of the row in tokens when they were counted."""
    tokens: Tokens | None
    """None without a tokenizer."""
    repeats: Repeats
    """Of whole answers."""
    languages: Languages
    """Of a sample."""
    overlap: Overlap
    """Held-out rows against train."""
    findings: tuple[Finding, ...]
    """The worst first."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        values: dict[str, Any] = plain(self)
        return values


def examine(prepared: Prepared, count_tokens: CountTokens | None = None, max_length: int = 0) -> Report:
    """Examine every row of a prepared data set, in bounded memory.

    Args:
        prepared: the data set.
        count_tokens: counts tokens with the chosen tokenizer and template; without it there are no figures of
            tokens.
        max_length: longest row in tokens that training takes.
    """
    tasks: dict[str, dict[str, int]] = {}
    lengths = {name: array("I") for name in ("question", "context", "answer", "row")}
    answers, loss_tokens, sample = array("Q"), 0, _Sample(prepared.ledger.seed)
    for split in SPLIT_NAMES:
        counted: Counter[str] = Counter()
        for batch in _batches(prepared.records(split)):
            for record in batch:
                counted[record.task] += 1
                _measure(record, lengths)
                answers.append(same_words(answer_text(record)))
                sample.offer(record)
            for tokens, trained in count_tokens(batch) if count_tokens else ():
                lengths["row"].append(tokens)
                loss_tokens += trained
        tasks[split] = dict(counted)
    counts = _tokens(lengths["row"], loss_tokens, max_length) if count_tokens else None
    held_out = itertools.chain(prepared.records("validation"), prepared.records("test"))
    shared = overlap(prepared.records("train"), held_out, prepared.ledger.seed)
    languages = _languages(sample.records)
    return Report(
        ledger=prepared.ledger.to_json(),
        tasks=tasks,
        lengths={n: _lengths(v, "tokens" if n == "row" else "characters") for n, v in lengths.items() if v},
        tokens=counts,
        repeats=_repeats(answers),
        languages=languages,
        overlap=shared,
        findings=tuple(_findings(prepared, counts, languages, shared)),
    )


class _Sample:
    """A uniform sample of records whose language can be told (reservoir sampling, algorithm R)."""

    def __init__(self, seed: int) -> None:
        self.records: list[Record] = []
        self._draw = random.Random(seed)  # noqa: S311
        self._offered = 0

    def offer(self, record: Record) -> None:
        if len(_told_by(record)) < LANGUAGE_CHARACTERS:
            return
        self._offered += 1
        if len(self.records) < LANGUAGE_SAMPLE:
            self.records.append(record)
        elif (place := self._draw.randrange(self._offered)) < LANGUAGE_SAMPLE:
            self.records[place] = record


def _told_by(record: Record) -> str:
    return answer_text(record) or question_text(record)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(itertools.islice(records, BATCH)):
        yield batch


def _measure(record: Record, lengths: dict[str, array[int]]) -> None:
    asked = record.question or question_text(record)
    for name, text in (("question", asked), ("context", record.context), ("answer", answer_text(record))):
        if text:
            lengths[name].append(len(text))


def _lengths(values: array[int], unit: str) -> Lengths:
    numbers = np.frombuffer(values, dtype=np.uint32)
    marks = np.percentile(numbers, PERCENTILES, method="inverted_cdf").astype(int)
    # A few very long rows would squeeze the histogram into its first bin; they stand in the last instead.
    top = max(int(marks[PERCENTILES.index(99)]), BINS)
    edges = np.linspace(0, top, BINS + 1).astype(int)
    counts, _ = np.histogram(np.minimum(numbers, top), edges)
    return Lengths(
        unit,
        {f"{share}%": int(mark) for share, mark in zip(PERCENTILES, marks, strict=True)},
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def _tokens(lengths: array[int], loss_tokens: int, max_length: int) -> Tokens:
    return Tokens(max_length, sum(length > max_length for length in lengths), sum(lengths), loss_tokens)


def _repeats(answers: array[int]) -> Repeats:
    keys, rows = np.unique(np.frombuffer(answers, dtype=np.uint64), return_counts=True)
    repeated = rows[(rows > 1) & (keys != ABSENT)]
    return Repeats(len(repeated), int(repeated.sum()), int(repeated.max(initial=0)))


def _languages(records: Sequence[Record]) -> Languages:
    import py3langid

    found: Counter[str] = Counter()
    unlike = 0
    for record in records:
        language = py3langid.classify(_told_by(record))[0]
        found[language] += 1
        unlike += language != record.language
    return Languages(len(records), dict(found.most_common()), unlike)


def _findings(
    prepared: Prepared, tokens: Tokens | None, languages: Languages, shared: Overlap
) -> Iterator[Finding]:
    """What the figures mean, the worst first."""
    if shared.same_question or shared.same_answer:
        yield Finding(
            "problem",
            f"{shared.same_question:,} held-out questions and {shared.same_answer:,} answers stand in train",
            "this must not happen: please report it with the ledger",
        )
    yield from _row_findings(prepared)
    if tokens and tokens.rows_over:
        share = tokens.rows_over / prepared.ledger.kept().total()
        what = f"{tokens.rows_over:,} rows ({share:.1%}) are longer than {tokens.max_length:,} tokens"
        yield Finding("warning", what, "raise trainer.max_length; what is cut is lost to training")
    if tokens and tokens.loss_tokens < 0.1 * tokens.tokens:
        share = tokens.loss_tokens / tokens.tokens
        yield Finding(
            "warning", f"only {share:.1%} of the tokens carry loss", "answers are short for their prompts"
        )
    if languages.unlike > 0.02 * languages.sampled:
        what = f"{languages.unlike:,} of {languages.sampled:,} sampled rows are in another language than said"
        yield Finding("warning", what, "check dataset.language")
    if shared.near:
        what = f"{shared.near:,} of {shared.sampled:,} held-out rows share half of their 8-grams with train"
        level = "warning" if shared.near > 0.1 * shared.sampled else "note"
        yield Finding(level, what, "dataset.columns.group=... keeps a topic together; near_duplicates=drop")
    yield from (Finding("note", note) for note in prepared.ledger.notes)


def _row_findings(prepared: Prepared) -> Iterator[Finding]:
    ledger = prepared.ledger
    identifiers = sum((Counter(source.identifiers) for source in ledger.sources), Counter[str]())
    if identifiers:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in identifiers.most_common())
        remedy = "if they belong to patients: dataset.phi=redact; names have no pattern and are never found"
        yield Finding("warning", f"patterned identifiers: {kinds}", remedy)
    dropped = ledger.dropped()
    if dropped.total() > 0.05 * ledger.rows_in:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.most_common())
        share = dropped.total() / ledger.rows_in
        yield Finding("warning", f"{share:.1%} of the rows are dropped: {reasons}", "check dataset.cleaning")
    for split in ("validation", "test"):
        if not prepared.rows(split):
            yield Finding("warning", f"there are no {split} rows", f"dataset.split.{split}=0.1")
