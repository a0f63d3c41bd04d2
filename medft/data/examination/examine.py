"""What a person should know of a data set before training on it: statistics of every row, and what they mean.

Text of the data, identifiers above all, never enters the report.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medft.config import plain
from medft.data.cleaning.keys import answer_text, question_text, same_words
from medft.data.examination.findings import DatasetFinding, findings
from medft.data.examination.languages import Languages, LanguageSample, languages_of
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

BATCH = 256
UNITS = {"question": "characters", "context": "characters", "answer": "characters", "row": "tokens"}

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
    seen = _Seen(prepared.ledger.seed)
    for split in SPLITS:
        records = prepared.records(split)
        while batch := list(itertools.islice(records, BATCH)):
            seen.add(split, batch, count_tokens(batch) if count_tokens else ())
    tokens = tokens_of(seen.lengths["row"], seen.loss_tokens, max_length) if count_tokens else None
    held_out = itertools.chain(prepared.records("validation"), prepared.records("test"))
    shared = overlap(prepared.records("train"), held_out, prepared.ledger.seed)
    languages = languages_of(seen.sample.records)
    return Report(
        ledger=prepared.ledger.to_json(),
        tasks={split: dict(tasks) for split, tasks in seen.tasks.items()},
        lengths={name: lengths_of(v, UNITS[name]) for name, v in seen.lengths.items() if v},
        tokens=tokens,
        repeats=repeats_of(seen.answers),
        languages=languages,
        overlap=shared,
        findings=tuple(findings(prepared, tokens, languages, shared)),
    )


class _Seen:
    """What is gathered in one pass over all rows: some 30 bytes a row."""

    def __init__(self, seed: int) -> None:
        self.tasks: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.lengths = {name: array("I") for name in UNITS}
        self.answers = array("Q")
        self.loss_tokens = 0
        self.sample = LanguageSample(seed)

    def add(self, split: str, batch: Sequence[Record], tokens: Sequence[tuple[int, int]]) -> None:
        for record in batch:
            self.tasks[split][record.task] += 1
            self._measure(record)
            self.sample.offer(record)
        for whole, trained in tokens:
            self.lengths["row"].append(whole)
            self.loss_tokens += trained

    def _measure(self, record: Record) -> None:
        asked, answered = record.question or question_text(record), answer_text(record)
        self.answers.append(same_words(answered))
        for name, text in (("question", asked), ("context", record.context), ("answer", answered)):
            if text:
                self.lengths[name].append(len(text))
