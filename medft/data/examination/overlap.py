"""How much of the held-out rows stands in train already: exactly, and nearly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medft.data.cleaning.keys import ABSENT, keys_of
from medft.data.cleaning.near_duplicates import shingles
from medft.data.record import Record

GRAM = 8
SAMPLE = 2000
RECURRING = 20
"""Train rows; a passage that stands in more of them is the source's own phrase, not a copy of one answer."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Held-out rows (validation and test) against train."""

    held_out_rows: int
    """Rows looked at for exact overlap: all."""
    same_question: int
    """Held-out rows whose question, after normalisation, is asked in train."""
    same_answer: int
    """Held-out rows whose answer, after normalisation, is given in train."""
    sampled: int
    """Held-out rows looked at for near overlap."""
    near: int
    """Of these, rows that share at least half of their 8-grams of words with train rows."""
    recurring: int
    """Of the near ones, rows that are near through passages of more than ``RECURRING`` train rows."""


def overlap(train: Iterable[Record], held_out: Iterable[Record], seed: int) -> Overlap:
    """Measure both overlaps in one pass over each; memory grows with the held-out questions only.

    Args:
        train: rows that are trained on.
        held_out: rows that are not.
        seed: of the sample for near overlap, at most ``SAMPLE`` rows.
    """
    questions, answers, sample = _held_out(held_out, random.Random(seed))  # noqa: S311
    grams = {gram for row in sample for gram in row}
    asked, answered, seen = set[int](), set[int](), Counter[int]()
    for record in train:
        keys = keys_of(record)
        asked.update({keys.question} & questions.keys())
        answered.update({keys.answer} & answers.keys())
        seen.update(grams.intersection(_grams(keys.words)))
    near = [row for row in sample if row and 2 * len(row & seen.keys()) >= len(row)]
    rare = {gram for gram, rows in seen.items() if rows <= RECURRING}
    return Overlap(
        held_out_rows=sum(questions.values()),
        same_question=sum(questions[key] for key in asked),
        same_answer=sum(answers[key] for key in answered),
        sampled=len(sample),
        near=len(near),
        recurring=sum(2 * len(row & rare) < len(row) for row in near),
    )


def _held_out(
    records: Iterable[Record], draw: random.Random
) -> tuple[dict[int, int], dict[int, int], list[set[int]]]:
    """Rows by question and by answer, and the 8-grams of a sample of them (reservoir sampling)."""
    questions: dict[int, int] = {}
    answers: dict[int, int] = {}
    sample: list[set[int]] = []
    for number, record in enumerate(records):
        keys = keys_of(record)
        questions[keys.question] = questions.get(keys.question, 0) + 1
        if keys.answer != ABSENT:
            answers[keys.answer] = answers.get(keys.answer, 0) + 1
        if number < SAMPLE:
            sample.append(set(_grams(keys.words)))
        elif (place := draw.randrange(number + 1)) < SAMPLE:
            sample[place] = set(_grams(keys.words))
    return questions, answers, sample


def _grams(words: tuple[str, ...]) -> Iterator[int]:
    return map(hash, shingles(words, GRAM))
