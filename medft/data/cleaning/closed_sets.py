"""Detects answers from a closed set (letters, classes, yes and no).

Many rows rightly share such an answer: it is no boilerplate, and no tie between them.
"""

from __future__ import annotations

import numpy as np

from medft.data.cleaning.key_index import KeyArray, KeyIndex, Mask, Tied

LONGEST = 5
"""Words of the longest answer that may be a class ("not enough information to tell")."""
ALWAYS, OFTEN = 2, 5
"""Words up to which an answer that more than ``OFTEN`` rows share is a class, whatever the others are."""
MOST_CLASSES, ROWS_EACH, SHARE = 50, 3, 0.25
"""So many different short answers at most, of so many rows each, over such a share of a source's rows: a
closed set, of which even a rare member is a class."""


def closed_answers(index: KeyIndex, kept: Mask, *, sets: bool = False) -> KeyArray:
    """The keys of the answers that are members of a closed set.

    Args:
        index: keys of all rows.
        kept: rows to look at.
        sets: only where the rows of a source have few answers, not where a few words recur among many others.
    """
    answers = index.tied("answer")
    answers = answers.where(kept[answers.rows] & (answers.words <= LONGEST))
    source = index.column("source")
    found = [
        _closed(answers.where(source[answers.rows] == number), int((kept & (source == number)).sum()), sets)
        for number in np.unique(source)
    ]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def has_closed_answer(index: KeyIndex, closed: KeyArray) -> Mask:
    """Rows whose answer is one of ``closed``."""
    answer: KeyArray = index.column("answer")
    return np.isin(answer, closed)


def _closed(answers: Tied, rows: int, sets: bool) -> KeyArray:
    """One source: its short answers, and how many rows it has."""
    keys, first, counts = np.unique(answers.keys, return_index=True, return_counts=True)
    several = counts > 1
    named, shared = int(several.sum()), int(counts[several].sum())
    is_set = (
        1 < named <= MOST_CLASSES and shared >= max(ROWS_EACH * named, SHARE * rows) and named <= rows / 2
    )
    closed = several & is_set
    return keys[closed if sets else closed | ((answers.words[first] <= ALWAYS) & (counts > OFTEN))]
