"""Held-out items known by their runs of words alone, and the records that repeat one.

A record repeats an item when 13 words in a row of it are in any text of the item. Of a question of 8 to 12
words three quarters in a row do, at least 8. A shorter question must stand there as a sentence, line or
clause of its own. Where it has three words or fewer, or more than two items ask it, one of its options must
stand there, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.keys import words
from medft.data.cleaning.runs import LONGEST, RunKeys, Words, runs_of, words_of
from medft.data.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST = 8
"""Words of the shortest run that counts wherever it stands."""
ANYWHERE = (LONGEST, SHORTEST, SHORTEST + 1)
FEW = 3
"""Words of a question that says too little without its options."""
MANY = 2
"""Items that may ask the same before their question is taken for a stock phrase."""
TELLING = 4
"""Different words of a run that are not common among the items; a run of fewer is a stock phrase."""
_TABLE_BITS = 22

Item = tuple[str, Sequence[str], Sequence[str]]
"""A question; its context and long answers; its options."""
Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class ItemKeys:
    """The keys of one item."""

    runs: RunKeys
    """Keys of runs that count wherever they are found."""
    question: RunKeys
    """Keys of the whole question, where it must be found by itself; else empty."""
    options: RunKeys
    """Keys of whole options, one of which must be found, too; empty where none need."""


class KeyTable:
    """Which item has a key: most of the keys that none has are told by a glance at their low bits."""

    def __init__(self, keys: RunKeys, items: Numbers) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._items = keys[order], items[order]
        self._low = np.zeros(2**_TABLE_BITS, dtype=np.bool_)
        self._low[_low(keys)] = True

    def find(self, keys: RunKeys) -> tuple[Places, Numbers]:
        """Places of those of ``keys`` that are an item's, and whose."""
        places = np.flatnonzero(self._low[_low(keys)])
        if not len(places):
            return places, np.empty(0, dtype=np.uint32)
        at = np.minimum(np.searchsorted(self._keys, keys[places]), len(self._keys) - 1)
        same = self._keys[at] == keys[places]
        return places[same], self._items[at[same]]


class Fingerprints:
    """Items by the keys of their runs, found in records."""

    def __init__(self, items: Sequence[ItemKeys]) -> None:
        self._runs = _table([item.runs for item in items])
        self._questions = _table([item.question for item in items])
        self._options = {number: item.options for number, item in enumerate(items) if len(item.options)}

    def items_in(self, records: Sequence[Record]) -> list[int | None]:
        """For each of ``records`` the number of an item that it repeats, or None.

        All of them are looked at together: for texts of usual length a step over the words of one record
        costs less than to begin it.
        """
        asked = [words_of(texts_of(record)) for record in records]
        gap = [words_of(("", "")).hashes]
        ends = np.cumsum([len(words.hashes) + 1 for words in asked])
        hashes = np.concatenate([part for words in asked for part in (words.hashes, *gap)] or gap)
        first: dict[int, tuple[int, int, int]] = {}
        alone: set[int] = set()
        for length, keys in runs_of(hashes, LONGEST):
            if length in ANYWHERE:
                places, items = self._runs.find(keys)
                whose = np.searchsorted(ends, places, side="right").tolist()
                for record, place, item in zip(whose, places.tolist(), items.tolist(), strict=True):
                    hit = ANYWHERE.index(length), place, item
                    first[record] = min(first.get(record, hit), hit)
            if length < LONGEST:
                alone.update(np.searchsorted(ends, self._questions.find(keys)[0], side="right").tolist())
        return [
            first[n][-1] if n in first else self._alone(words) if n in alone else None
            for n, words in enumerate(asked)
        ]

    def _alone(self, asked: Words) -> int | None:
        """The item whose short question stands there by itself."""
        keys = dict(runs_of(asked.hashes, LONGEST))
        begins: npt.NDArray[np.bool_] | None = None
        for length in range(1, min(LONGEST, len(keys) + 1)):
            places, items = self._questions.find(keys[length])
            begins = asked.bounded() if len(places) and begins is None else begins
            for place, item in zip(places.tolist(), items.tolist(), strict=True):
                if begins is None or not begins[place] or not begins[place + length]:
                    continue
                if item not in self._options or _stands(self._options[item], keys, begins):
                    return int(item)
        return None


def _table(keys: Sequence[RunKeys]) -> KeyTable:
    numbers = np.repeat(np.arange(len(keys), dtype=np.uint32), [len(of_item) for of_item in keys])
    return KeyTable(np.concatenate([*keys, np.empty(0, dtype=np.uint64)]), numbers)


def _stands(wanted: RunKeys, keys: Mapping[int, RunKeys], begins: npt.NDArray[np.bool_]) -> bool:
    """Whether one of the texts ``wanted`` begins a sentence, line or clause."""
    for found in keys.values():
        for place in np.flatnonzero(np.isin(found, wanted)):
            if begins[place]:  # what follows an option on its line may be the next one's letter
                return True
    return False


def texts_of(record: Record) -> list[str]:
    """The texts of a record in which a held-out one may stand."""
    if record.turns:
        return [turn.content for turn in record.turns]
    return [text for text in (record.question, record.options, record.context, record.answer) if text]


def fingerprint(items: Sequence[Item], common: Collection[str] = ()) -> list[ItemKeys]:
    """The keys of each item.

    Args:
        items: their texts.
        common: words that say nothing; runs without ``TELLING`` others are not taken.
    """
    asked: dict[tuple[str, ...], list[int]] = {}
    for number, (question, _, _) in enumerate(items):
        asked.setdefault(tuple(words(question)), []).append(number)
    found: list[ItemKeys] = []
    for question, long, offered in items:
        said = words(question)
        alike = asked[tuple(said)]
        vague = len(said) < LONGEST and (len(said) <= FEW or len(alike) > MANY)
        alone = vague or len(said) < SHORTEST
        runs = [key for text in (*long, *offered) for key in _telling(text, LONGEST, common)]
        if not alone:
            length = LONGEST if len(said) >= LONGEST else max(SHORTEST, ceil(0.75 * len(said)))
            runs += _telling(question, length, common)
        told_by = [key for number in alike for text in items[number][2] for key in _whole(text)]
        found.append(
            ItemKeys(_keys(runs), _keys(_whole(question) if alone else []), _keys(told_by if vague else []))
        )
    return found


def _telling(text: str, length: int, common: Collection[str]) -> list[np.uint64]:
    """The keys of the runs with ``TELLING`` words that are not common; where there are none, of those with
    the most."""
    said, keys = words(text), dict(runs_of(words_of([text]).hashes, length)).get(length, ())
    if not common:
        return list(keys)
    told = [len(set(said[place : place + length]).difference(common)) for place in range(len(keys))]
    least = min(TELLING, max(told, default=0))
    return [key for key, count in zip(keys, told, strict=True) if count >= least]


def _whole(text: str) -> list[np.uint64]:
    """The key of a text of 1 to 12 words."""
    hashes = words_of([text]).hashes
    return list(dict(runs_of(hashes, LONGEST))[len(hashes)]) if 0 < len(hashes) < LONGEST else []


def _keys(keys: Sequence[np.uint64]) -> RunKeys:
    return np.unique(np.array(keys, dtype=np.uint64))


def _low(keys: RunKeys) -> RunKeys:
    return keys & np.uint64(2**_TABLE_BITS - 1)
