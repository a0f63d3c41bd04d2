"""Near duplicates: which records say almost the same.

Texts are sets of 5-word shingles. MinHash (Broder 1997, "On the resemblance and containment of documents")
estimates their Jaccard similarity from 100 permutations with a standard error of 0.05 at 0.7. Of each minimum
the lowest 16 bits are kept, 200 bytes a row (b-bit minwise hashing, Li and König 2010): two that differ look
alike once in 65,536 times. Banding in 25 bands of 4 rows (Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", 3.4) finds a pair of similarity 0.7 with probability 0.999 and one of 0.6 with 0.97.

Why 0.7: MedQuAD's answers are built from passages that recur. A threshold of 0.7, 0.6 or 0.5 leaves 16, 10 or
7% of its held-out rows with half of their 8-grams in train, but the largest group then holds 21, 33 or 48% of
all rows, none of which can be held out: a test split that never asks what a fifth of the data asks is bad,
one that leaves out half of it is no test. 0.8 leaves twice as many near doubles as 0.7.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.key_index import RowNumbers

SHINGLE = 5
THRESHOLD = 0.7
BANDS, BAND = 25, 4
PERMUTATIONS = BANDS * BAND
SEED = 1997
BATCH = 512
CHUNK = 2**14

Pairs = tuple[RowNumbers, RowNumbers]
"""Pairs of rows, as two arrays."""


def shingles(words: Sequence[str], size: int = SHINGLE) -> list[str]:
    """Runs of ``size`` words; all the words of a shorter text; nothing of a text without words."""
    return [" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))] if words else []


class Signatures:
    """MinHash signatures of records, in the order in which they were added."""

    def __init__(self) -> None:
        self._values = array("H")
        self._waiting: list[list[str]] = []
        self._signed = 0
        self._place = array("i")

    def add(self, words: Sequence[str]) -> None:
        """Sign the words of a record; none where it has no such text."""
        self._place.append(self._signed if words else -1)
        if not words:
            return
        self._signed += 1
        self._waiting.append(shingles(words))
        if len(self._waiting) == BATCH:
            self.sign()

    def extend(self, more: Signatures) -> None:
        """Append the signatures of other records."""
        self.sign()
        more.sign()
        signed = self._signed
        self._place.extend(array("i", [place if place < 0 else signed + place for place in more._place]))
        self._values.extend(more._values)
        self._signed += more._signed

    def clear(self) -> None:
        """Let go of all signatures, the largest part of what is kept of a record."""
        self._values, self._place, self._signed = array("H"), array("i"), 0

    def pairs(self, rows: RowNumbers, order: npt.NDArray[np.uint64]) -> Pairs:
        """Pairs among ``rows`` with an estimated similarity of at least ``THRESHOLD``.

        Not all pairs of a cluster, but enough to connect it.

        Args:
            rows: numbers of the rows to search.
            order: a key of every row that puts ties in order, so that the order of rows does not matter.
        """
        self.sign()
        signatures = np.frombuffer(self._values, dtype=np.uint16).reshape(-1, PERMUTATIONS)
        place = np.array(self._place, dtype=np.int64)
        rows = rows[place[rows] >= 0]
        row_of, places = np.flatnonzero(place >= 0), place[rows]
        order = order[row_of]
        found = [pair for band in range(BANDS) for pair in _similar(signatures, places, order, band)]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        pairs = row_of[np.unique(np.concatenate(found, axis=1), axis=1)]
        return pairs[0], pairs[1]

    def sign(self) -> None:
        """Sign what is waiting."""
        if not self._waiting:
            return
        from rensa import RMinHash

        digests = RMinHash.digest_matrix_from_token_sets(self._waiting, PERMUTATIONS, SEED).to_rows()
        self._values.frombytes(np.array(digests, dtype=np.uint32).astype(np.uint16).tobytes())
        self._waiting = []


def _similar(
    signatures: npt.NDArray[np.uint16], rows: RowNumbers, order: npt.NDArray[np.uint64], band: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Similar pairs among rows that agree in one band: each with the next and the first of its bucket."""
    bucket = _mix(signatures, rows, band)
    by_bucket = np.lexsort((order[rows], bucket))
    rows, bucket = rows[by_bucket], bucket[by_bucket]
    tied = np.flatnonzero(bucket[1:] == bucket[:-1])
    starts = np.r_[0, np.flatnonzero(bucket[1:] != bucket[:-1]) + 1]
    first = starts[np.searchsorted(starts, tied, side="right") - 1]
    for left, right in ((rows[tied], rows[tied + 1]), (rows[first], rows[tied + 1])):
        for i in range(0, len(left), CHUNK):
            a, b = left[i : i + CHUNK], right[i : i + CHUNK]
            alike = (signatures[a] == signatures[b]).mean(axis=1) >= THRESHOLD
            yield np.stack([a[alike], b[alike]])


def _mix(signatures: npt.NDArray[np.uint16], rows: RowNumbers, band: int) -> npt.NDArray[np.uint64]:
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in range(band * BAND, (band + 1) * BAND):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + signatures[rows, column]
        mixed ^= mixed >> np.uint64(29)
    return mixed
