"""Questions that are nearly the same: their words weigh by how rare they are, so that "What are the symptoms
of X?" and "of Y?" are far apart, and "What are symptoms of X" is near to the first.

The measure is the weighted Jaccard similarity of two sets of words, the sum of the weights of the shared
words over that of all, with weight log(1 + rows / rows with the word) (inverse document frequency, Sparck
Jones 1972). Pairs are found by prefix filtering (Chaudhuri, Ganti and Kaushik 2006, "A primitive operator for
similarity joins in data cleaning"): two questions of similarity t share one of the rarest words of each,
those that weigh more than 1 - t of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.key_index import KeyArray, RowNumbers
from medft.data.cleaning.near_duplicates import Pairs

THRESHOLD = 0.75
LONGEST = 400
"""Words that are looked at."""
NEIGHBOURS = 64
"""Questions with the same rare word that each is compared with, those of the nearest weight first."""
CHUNK = 2**15
BLOCK = 2**20
"""Rows whose rare words are looked for at once."""
Weights = npt.NDArray[np.float64]


class NearQuestions:
    """The words of questions, 4 bytes each, in the order in which they were added."""

    def __init__(self) -> None:
        self._words = array("I")
        self._ends = array("Q")

    def add(self, words: Sequence[str]) -> None:
        """Take the words of a record's question; none where it has no question of its own."""
        self._words.extend({crc32(word.encode()) for word in words[:LONGEST]})
        self._ends.append(len(self._words))

    def extend(self, more: NearQuestions) -> None:
        """Take the questions of other records."""
        words = len(self._words)
        self._words.extend(more._words)
        self._ends.extend(array("Q", [words + end for end in more._ends]))

    def pairs(self, rows: RowNumbers, order: KeyArray) -> Pairs:
        """Pairs among ``rows`` with a similarity of at least ``THRESHOLD``.

        Args:
            rows: numbers of the rows to search.
            order: a key of every row that puts ties in order, so that the order of rows does not matter.
        """
        from scipy.sparse import csr_array

        ends = np.frombuffer(self._ends, dtype=np.uint64).astype(np.int64) if self._ends else np.empty(0, int)
        sizes = np.diff(ends, prepend=0)
        sizes_of_mine = np.zeros_like(sizes)
        sizes_of_mine[rows] = sizes[rows]
        starts = np.concatenate([[0], np.cumsum(sizes_of_mine)])
        if not starts[-1]:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        word, weights = self._weighed(np.repeat(sizes_of_mine > 0, sizes), len(rows))
        matrix = csr_array((np.sqrt(weights)[word], word, starts), shape=(len(ends), len(weights)))
        total: Weights = np.add.reduceat(np.r_[weights[word], 0.0], starts[:-1]) * (sizes_of_mine > 0)
        prefixes = [
            _prefix(first, starts[first : first + BLOCK + 1], word, weights, total)
            for first in range(0, len(ends), BLOCK)
        ]
        rare_row, rare_word = (np.concatenate([prefix[side] for prefix in prefixes]) for side in (0, 1))
        found = [
            _near(matrix, total, left, right)
            for left, right in _candidates(rare_row, rare_word, total, order)
        ]
        pairs = np.unique(np.concatenate(found, axis=1), axis=1)
        return pairs[0], pairs[1]

    def _weighed(self, mine: npt.NDArray[np.bool_], rows: int) -> tuple[npt.NDArray[np.int32], Weights]:
        """The number of each word that is ``mine``, and the weights of the words by number."""
        words = np.frombuffer(self._words, dtype=np.uint32)[mine]
        known, with_it = np.unique(words, return_counts=True)
        return np.searchsorted(known, words).astype(np.int32), np.log1p(rows / with_it)


def _prefix(
    first: int, starts: RowNumbers, word: npt.NDArray[np.int32], weights: Weights, total: Weights
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Of the rows from ``first`` on, whose words begin at ``starts``: rows and their rarest words, as many as
    weigh more than 1 - ``THRESHOLD`` of the question."""
    word = word[starts[0] : starts[-1]]
    row = np.repeat(np.arange(first, first + len(starts) - 1, dtype=np.int32), np.diff(starts))
    weight = weights[word]
    order = np.lexsort((word, -weight, row))
    row, word, weight = row[order], word[order], weight[order]
    before = np.cumsum(weight) - weight
    begins = np.r_[True, row[1:] != row[:-1]][: len(row)]
    before -= np.maximum.accumulate(np.where(begins, before, 0))
    rare = before <= (1 - THRESHOLD) * total[row] + 1e-9
    return row[rare], word[rare]


def _candidates(
    row: RowNumbers, word: RowNumbers, total: Weights, order: KeyArray
) -> Iterator[tuple[RowNumbers, RowNumbers]]:
    """Pairs that share a rare word and weigh alike."""
    by_word = np.lexsort((order[row], total[row], word))
    row, word = row[by_word], word[by_word]
    yield np.empty(0, np.int64), np.empty(0, np.int64)
    for step in range(1, min(NEIGHBOURS, len(row))):
        alike = word[step:] == word[:-step]
        left, right = row[:-step][alike], row[step:][alike]
        if not len(left):
            return
        fits = total[left] >= THRESHOLD * total[right] - 1e-9
        yield left[fits], right[fits]


def _near(matrix: object, total: Weights, left: RowNumbers, right: RowNumbers) -> npt.NDArray[np.int64]:
    """Those candidates that are near."""
    near = np.zeros(len(left), dtype=np.bool_)
    for start in range(0, len(left), CHUNK):
        part = slice(start, start + CHUNK)
        shared = matrix[left[part]].multiply(matrix[right[part]]).sum(axis=1)  # type: ignore[index]
        near[part] = shared >= THRESHOLD * (total[left[part]] + total[right[part]] - shared) - 1e-9
    return np.stack([left[near], right[near]])
