"""The figures of a data set: lengths, tokens, repeats and languages.

Owns how each is computed from arrays or a sample. Knows nothing of files or of what a figure means.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.keys import ABSENT, answer_text, question_text
from medft.data.record import Record

PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
BINS = 40
LANGUAGE_SAMPLE = 1000
LANGUAGE_CHARACTERS = 40
"""Shorter texts have no language that can be told."""
CERTAIN = 0.9
"""Probability from which a detected language counts: lists of diseases and drugs look like Latin at less."""
UNCLEAR = "unclear"


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
    """Rows by detected ISO 639-1 code; ``UNCLEAR`` where no language is certain."""
    unlike: int
    """Rows whose language is certainly not the one that the data set claims."""


def lengths_of(values: array[int], unit: str) -> Lengths:
    """The distribution of ``values``, which must not be empty."""
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


def tokens_of(lengths: array[int], loss_tokens: int, max_length: int) -> Tokens:
    """The figures of rows of these lengths in tokens."""
    return Tokens(max_length, sum(length > max_length for length in lengths), sum(lengths), loss_tokens)


def repeats_of(answers: array[int]) -> Repeats:
    """Repeats among the keys of all answers."""
    keys, rows = np.unique(np.frombuffer(answers, dtype=np.uint64), return_counts=True)
    repeated = rows[(rows > 1) & (keys != ABSENT)]
    return Repeats(len(repeated), int(repeated.sum()), int(repeated.max(initial=0)))


def languages_of(records: Sequence[Record]) -> Languages:
    """The languages of records that are long enough to tell."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found: Counter[str] = Counter()
    unlike = 0
    for record in records:
        language, probability = identifier.classify(_told_by(record))
        certain = probability >= CERTAIN
        found[language if certain else UNCLEAR] += 1
        unlike += certain and language != record.language
    return Languages(len(records), dict(found.most_common()), unlike)


class LanguageSample:
    """A uniform sample of records whose language can be told (reservoir sampling, algorithm R)."""

    def __init__(self, seed: int) -> None:
        self.records: list[Record] = []
        self._draw = random.Random(seed)  # noqa: S311
        self._offered = 0

    def offer(self, record: Record) -> None:
        """Take a record into the draw."""
        if len(_told_by(record)) < LANGUAGE_CHARACTERS:
            return
        self._offered += 1
        if len(self.records) < LANGUAGE_SAMPLE:
            self.records.append(record)
        elif (place := self._draw.randrange(self._offered)) < LANGUAGE_SAMPLE:
            self.records[place] = record


def _told_by(record: Record) -> str:
    return answer_text(record) or question_text(record)
