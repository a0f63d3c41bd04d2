"""Statistics over all rows of a data set, from arrays of numbers: lengths, tokens and repeated answers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.keys import ABSENT

PERCENTILES = (0, 5, 25, 50, 75, 95, 99, 100)
BINS = 40


@dataclass(frozen=True, slots=True)
class LengthStatistics:
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
class TokenStatistics:
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
    """Different answers that are in more than one row."""
    rows: int
    """Rows that have one of them."""
    most: int
    """Rows with the most common one."""


def lengths_of(values: array[int], unit: str) -> LengthStatistics:
    """The distribution of ``values``, which must not be empty."""
    numbers = np.frombuffer(values, dtype=np.uint32)
    marks = np.percentile(numbers, PERCENTILES, method="inverted_cdf").astype(int)
    # A few very long rows would squeeze the histogram into its first bin; they are in the last instead.
    top = max(int(marks[PERCENTILES.index(99)]), BINS)
    edges = np.linspace(0, top, BINS + 1).astype(int)
    counts, _ = np.histogram(np.minimum(numbers, top), edges)
    return LengthStatistics(
        unit,
        {f"{share}%": int(mark) for share, mark in zip(PERCENTILES, marks, strict=True)},
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def tokens_of(lengths: array[int], loss_tokens: int, max_length: int) -> TokenStatistics:
    """The statistics of rows of these lengths in tokens."""
    return TokenStatistics(
        max_length, sum(length > max_length for length in lengths), sum(lengths), loss_tokens
    )


def repeats_of(answers: array[int]) -> Repeats:
    """Repeats among the keys of all answers."""
    keys, rows = np.unique(np.frombuffer(answers, dtype=np.uint64), return_counts=True)
    repeated = rows[(rows > 1) & (keys != ABSENT)]
    return Repeats(len(repeated), int(repeated.sum()), int(repeated.max(initial=0)))
