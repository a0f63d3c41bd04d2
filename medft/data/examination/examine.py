"""Examines a data set before training: statistics of every row, and what they mean.

Text of the data, identifiers above all, never enters the report.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medft.config import plain
from medft.data.cleaning.keys import answer_text, question_text, same_words
from medft.data.costs import Costs
from medft.data.examination.findings import DatasetFinding, findings
from medft.data.examination.languages import Languages, LanguageSample, identifier, languages_of
from medft.data.examination.overlap import Overlap, overlap
from medft.data.examination.statistics import (
    LengthStatistics,
    Repeats,
    TokenStatistics,
    lengths_of,
    repeats_of,
    tokens_of,
)
from medft.data.prepare import Prepared
from medft.data.record import SPLITS, Record
from medft.data.row_log import NotedRow, NotedRows, read_log

BATCH = 256
UNITS = {"question": "characters", "context": "characters", "answer": "characters", "row": "tokens"}

MOST_CLASSES = 50
"""Labels from which they are no classes."""

CountTokens = Callable[[Sequence[Record]], Sequence[tuple[int, int]]]
"""Records -> for each the tokens of the whole row, not cut, and those of them that carry loss."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one prepared data set."""

    ledger: dict[str, Any]
    """``Ledger.to_json``: rows in, kept, dropped by reason; repairs; identifiers by kind."""
    tasks: dict[str, dict[str, int]]
    """Rows by split and task."""
    lengths: dict[str, LengthStatistics]
    """Question, context and answer in characters, and the row in tokens when they were counted."""
    tokens: TokenStatistics | None
    """None without a tokenizer."""
    repeats: Repeats
    """Whole answers that several rows share."""
    languages: Languages
    """Languages of a sample."""
    overlap: Overlap
    """Held-out rows against train."""
    findings: tuple[DatasetFinding, ...]
    """The worst first."""
    noted: tuple[NotedRows, ...] = ()
    """Rows that were dropped, mended or left with a fault, by kind, the first ten of each by file and
    line."""
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows by class and split; empty where rows have no label."""
    costs: dict[str, float] = field(default_factory=dict)
    """Seconds that each step and check took; those of preparing are of the run that prepared the rows."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        values: dict[str, Any] = plain(self)
        return values


def examine(prepared: Prepared, count_tokens: CountTokens | None = None, max_length: int = 0) -> Report:
    """Examine every row of a prepared data set, in bounded memory.

    Args:
        prepared: the data set.
        count_tokens: counts tokens with the chosen tokenizer and template; without it there are no
            statistics of tokens.
        max_length: longest row in tokens that training takes.
    """
    seen, costs = _Seen(prepared.ledger.seed), Costs(prepared.costs())
    with ThreadPoolExecutor(1) as beside:
        unpacked = beside.submit(identifier)
        for split in SPLITS:
            records = prepared.records(split)
            while batch := list(itertools.islice(records, BATCH)):
                seen.add(split, batch, count_tokens(batch) if count_tokens else ())
    tokens = tokens_of(seen.lengths["row"], seen.loss_tokens, max_length) if count_tokens else None
    held_out = itertools.chain(prepared.records("validation"), prepared.records("test"))
    with costs.of("overlap"):
        shared = overlap(prepared.records("train"), held_out, prepared.ledger.seed, prepared.closed_answers())
    with costs.of("languages"):
        languages = languages_of(seen.sample.records, unpacked.result())
    noted = tuple(_without_text(kind) for kind in read_log(prepared.folder))
    return Report(
        ledger=prepared.ledger.to_json(),
        tasks={split: dict(tasks) for split, tasks in seen.tasks.items()},
        lengths={name: lengths_of(v, UNITS[name]) for name, v in seen.lengths.items() if v},
        tokens=tokens,
        repeats=repeats_of(seen.answers),
        languages=languages,
        overlap=shared,
        findings=tuple(findings(prepared, tokens, languages, shared)),
        noted=noted,
        classes=seen.shown_classes(),
        costs=dict(costs),
    )


def _without_text(kind: NotedRows) -> NotedRows:
    return replace(kind, first=tuple(NotedRow(Path(row.row).name) for row in kind.first))


class _Seen:
    """What is gathered in one pass over all rows: some 30 bytes a row."""

    def __init__(self, seed: int) -> None:
        self.tasks: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.lengths = {name: array("I") for name in UNITS}
        self.answers = array("Q")
        self.loss_tokens = 0
        self.classes: dict[str, Counter[str]] = {}
        self.sample = LanguageSample(seed)

    def add(self, split: str, batch: Sequence[Record], tokens: Sequence[tuple[int, int]]) -> None:
        """Count a batch of a split; ``tokens`` are of each record all, and those that carry loss."""
        for record in batch:
            self.tasks[split][record.task] += 1
            if record.label and (record.label in self.classes or len(self.classes) < MOST_CLASSES):
                self.classes.setdefault(record.label, Counter())[split] += 1
            self._measure(record)
            self.sample.offer(record)
        for whole, trained in tokens:
            self.lengths["row"].append(whole)
            self.loss_tokens += trained

    def shown_classes(self) -> dict[str, dict[str, int]]:
        """Rows by class and split, the most frequent class first; nothing where labels are too many for
        that."""
        if len(self.classes) == MOST_CLASSES:
            return {}
        ordered = sorted(self.classes.items(), key=lambda item: (-item[1].total(), item[0]))
        return {label: {split: counts[split] for split in SPLITS} for label, counts in ordered}

    def _measure(self, record: Record) -> None:
        asked, answered = record.question or question_text(record), answer_text(record)
        self.answers.append(same_words(answered))
        for name, text in (("question", asked), ("context", record.context), ("answer", answered)):
            if text:
                self.lengths[name].append(len(text))
