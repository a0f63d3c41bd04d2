"""Rows that must stay in one split: those that share a question, context, answer or group, and near
duplicates.

What so many rows share that it could never be held out (an instruction over many notes, a passage under all
questions) ties nothing, and neither do the answers of a closed set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medft.data.cleaning.closed_sets import closed_answers, has_closed_answer
from medft.data.cleaning.key_index import KeyArray, KeyIndex, Mask, Tied
from medft.data.cleaning.keys import ABSENT, TIES
from medft.data.cleaning.near_duplicates import SHINGLE, Pairs, Signatures
from medft.data.cleaning.near_questions import NearQuestions
from medft.data.config import SplitConfig

FEW = 20
"""Rows that may always be tied together."""
INSTRUCTION = 0.02
"""Share of the rows from which a question that stands over several contexts is an instruction."""
NEAR = "near_duplicates"


@dataclass(frozen=True, slots=True)
class NearCopies:
    """How near duplicates are found."""

    texts: Signatures
    """Signatures of what each row teaches (or asks, where the answer is short)."""
    contexts: Signatures
    """Signatures of the contexts."""
    questions: NearQuestions
    """The words of the questions."""

    @classmethod
    def none(cls) -> NearCopies:
        """Of no record yet."""
        return cls(Signatures(), Signatures(), NearQuestions())

    def sign(self) -> None:
        """Have all signatures made that are waiting."""
        self.texts.sign()
        self.contexts.sign()

    def extend(self, more: NearCopies) -> None:
        """Append other records."""
        self.texts.extend(more.texts)
        self.contexts.extend(more.contexts)
        self.questions.extend(more.questions)


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties the kept rows."""

    shared: Mapping[str, Tied]
    """By field: the texts that tie rows which share them."""
    near: tuple[Pairs, ...]
    """Pairs of near duplicates."""
    closed: KeyArray
    """Keys of the answers of a closed set, which tie nothing."""
    recurring: Mapping[str, int]
    """By field: rows with a text that ties nothing because so many rows share it."""

    def edges(self, without: tuple[str, ...] = ()) -> list[Pairs]:
        """Pairs of rows that are tied together, all that is tied being connected by them.

        Args:
            without: fields, or ``NEAR``, that shall not tie.
        """
        edges = [_neighbours(tied) for field, tied in self.shared.items() if field not in without]
        return edges + ([] if NEAR in without else list(self.near))


def find_ties(index: KeyIndex, kept: Mask, config: SplitConfig, near: NearCopies | None) -> Ties:
    """What ties the rows of ``index`` that are kept.

    Args:
        index: keys of all rows.
        kept: rows that stay; others tie nothing together.
        config: which fields tie, and the shares of the held-out splits.
        near: how near duplicates are found; None ties none of them.
    """
    fields = TIES if config.tie is None else config.tie
    closed = closed_answers(index, kept)
    shared, recurring = dict[str, Tied](), dict[str, int]()
    loose = {name: np.zeros(len(index), dtype=np.bool_) for name in ("question", "context")}
    for field in fields:
        tied = index.tied(field)
        tied = tied.where(kept[tied.rows])
        if field == "answer":
            tied = tied.where(~np.isin(tied.keys, closed))
        elif field != "group" and config.tie is None:
            common = _recurring(index, tied, field, int(kept.sum()), config, closed)
            if common.any():
                recurring[field] = len(np.unique(tied.rows[common]))
                loose[field][tied.rows[common]] = True
            tied = tied.where(~common)
        shared[field] = tied
    found = _near(index, kept, loose, fields, near) if near else ()
    return Ties(shared, found, closed, recurring)


def _near(
    index: KeyIndex, kept: Mask, loose: Mapping[str, Mask], fields: tuple[str, ...], near: NearCopies
) -> tuple[Pairs, ...]:
    """Near duplicates of what ties; not of the texts that tie nothing. The signatures are let go of on the
    way."""
    order, answers = index.column("content"), index.tied("answer")
    taught = np.zeros(len(index), dtype=np.bool_)
    taught[answers.rows[answers.words >= SHINGLE]] = True  # the others are near by question and context
    found = []
    if "answer" in fields:
        found.append(near.texts.pairs(np.flatnonzero(kept & (taught | ~loose["context"])), order))
        near.texts.clear()
    if "context" in fields:
        found.append(near.contexts.pairs(np.flatnonzero(kept & ~loose["context"]), order))
        near.contexts.clear()
    if "question" in fields:
        found.append(near.questions.pairs(np.flatnonzero(kept & ~loose["question"]), order))
    return tuple(found)


def _recurring(
    index: KeyIndex, tied: Tied, field: str, rows: int, config: SplitConfig, closed: KeyArray
) -> Mask:
    """Texts that tie nothing because so many rows share them.

    A context that more rows share than may stay in train; a question over contexts that has the share of an
    instruction, or, where the answer is a class, of a held-out split. Without a context, it always ties.
    """
    _, inverse, counts = np.unique(tied.keys, return_inverse=True, return_counts=True)
    most = np.full(len(index), 1 - config.validation - config.test)
    if field == "question":
        has_context = np.zeros(len(index), dtype=np.bool_)
        has_context[index.tied("context").rows] = True
        has_class = has_closed_answer(index, closed) | (index.column("answer") == ABSENT)
        single = index.column("paired") == 0
        most[single & has_class] = max(config.validation, config.test)
        most[single & ~has_class] = INSTRUCTION
        most[~has_context] = 1
    common: Mask = counts[inverse] > np.maximum(FEW, most[tied.rows] * rows)
    return common


def _neighbours(tied: Tied) -> Pairs:
    """Pairs of neighbours in each run of equal keys."""
    order = np.lexsort((tied.rows, tied.keys))
    rows, keys = tied.rows[order], tied.keys[order]
    same = keys[1:] == keys[:-1]
    return rows[:-1][same], rows[1:][same]
