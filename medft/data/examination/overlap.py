"""Overlap of held-out rows with train: exact and near."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from medft.data.cleaning.keys import Keys, keys_of
from medft.data.cleaning.near_duplicates import shingles
from medft.data.record import Record

GRAM = 8
SAMPLE = 2000
RECURRING = 20
"""Train rows; a passage that is in more of them is the source's own phrase, not a copy of one answer."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Held-out rows (validation and test) against train."""

    held_out_rows: int
    """Rows looked at for exact overlap: all."""
    same_question: int
    """Held-out rows whose question, after normalisation, is asked in train, of whatever context."""
    same_context: int
    """Held-out rows whose context, after normalisation, is in train."""
    same_answer: int
    """Held-out rows whose answer, after normalisation, is given in train; those of a closed set do not
    count."""
    sampled: int
    """Held-out rows looked at for near overlap."""
    near: int
    """Rows among these that share at least half of their 8-grams of words with train rows."""
    recurring: int
    """Rows among the near ones that are near through passages of more than ``RECURRING`` train rows."""


def overlap(
    train: Iterable[Record], held_out: Iterable[Record], seed: int, closed: Set[int] = frozenset()
) -> Overlap:
    """Measure both overlaps in one pass over each; memory grows with the held-out questions only.

    Args:
        train: rows that are trained on.
        held_out: rows that are not.
        seed: of the sample for near overlap, at most ``SAMPLE`` rows.
        closed: keys of the answers of a closed set, which many rows rightly share.
    """
    rows, texts, sample = _held_out(held_out, random.Random(seed), closed)  # noqa: S311
    grams = {gram for row in sample for gram in row}
    shared, seen = {name: set[int]() for name in texts}, Counter[int]()
    for record in train:
        keys = keys_of(record)
        for tie in keys.ties:
            shared.get(tie.field, set()).update(texts.get(tie.field, {}).get(tie.key, ()))
        seen.update(grams.intersection(_grams(_told(keys))))
    near = [row for row in sample if row and 2 * len(row & seen.keys()) >= len(row)]
    rare = {gram for gram, rows in seen.items() if rows <= RECURRING}
    return Overlap(
        held_out_rows=rows,
        same_question=len(shared["question"]),
        same_context=len(shared["context"]),
        same_answer=len(shared["answer"]),
        sampled=len(sample),
        near=len(near),
        recurring=sum(2 * len(row & rare) < len(row) for row in near),
    )


def _held_out(
    records: Iterable[Record], draw: random.Random, closed: Set[int]
) -> tuple[int, dict[str, dict[int, list[int]]], list[set[int]]]:
    """How many rows; by field and key, the rows that have the text; the 8-grams of a sample of them
    (reservoir sampling)."""
    texts: dict[str, dict[int, list[int]]] = {"question": {}, "context": {}, "answer": {}}
    sample: list[set[int]] = []
    number = -1
    for number, record in enumerate(records):
        keys = keys_of(record)
        for tie in keys.ties:
            if tie.field in texts and not (tie.field == "answer" and tie.key in closed):
                texts[tie.field].setdefault(tie.key, []).append(number)
        if number < SAMPLE:
            sample.append(set(_grams(_told(keys))))
        elif (place := draw.randrange(number + 1)) < SAMPLE:
            sample[place] = set(_grams(_told(keys)))
    return number + 1, texts, sample


def _told(keys: Keys) -> tuple[str, ...]:
    """The words of the answer, of question and context where that is a class or a letter."""
    answer = keys.words_of("answer")
    return answer if len(answer) > 1 else (*keys.words_of("question"), *keys.words_of("context"))


def _grams(words: tuple[str, ...]) -> Iterator[int]:
    return map(hash, shingles(words, GRAM))
