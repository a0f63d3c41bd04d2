"""Runs of words as numbers: every run of 1 to 13 words of a text has a 48-bit key, all of them in a few
vectorized steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from medft.data.cleaning.keys import WORD, plain, words

LONGEST = 13
"""Words in a row that two texts share only if one was copied (Brown et al. 2020, "Language models are
few-shot learners", appendix C)."""
BITS = 48
"""Bits of a key. Of 500,000 known runs a text of 1,000 words meets one by chance once in 10^5 times."""

RunKeys = npt.NDArray[np.uint64]
_BASE = 0x9E3779B97F4A7C15
_POWERS = [np.uint64(pow(_BASE, n, 2**64)) for n in range(LONGEST + 1)]
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_MOST_WORDS = 2**20
_BOUNDARY = re.compile(r"[.?!:;,\n\"“”«»|]|\s[-–—]\s")


class _WordHashes(dict[str, int]):
    """Word -> 64-bit hash, remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MOST_WORDS:
            self.clear()
        value = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
        self[word] = value
        return value


_HASHES = _WordHashes()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts, one after the other, with something between that is no word of any text."""

    texts: tuple[str, ...]
    """As they are."""
    hashes: RunKeys
    """Keys of the words, and of the gaps between the texts."""
    starts: tuple[int, ...]
    """Where each text begins among the hashes."""

    def bounded(self) -> npt.NDArray[np.bool_]:
        """Whether a sentence, a line or the like begins at each place; one more for the end."""
        begins = np.zeros(len(self.hashes) + 1, dtype=np.bool_)
        for text, start in zip(map(plain, self.texts), self.starts, strict=True):
            end, number = 0, start
            for number, word in enumerate(WORD.finditer(text), start):
                begins[number] = number == start or _BOUNDARY.search(text, end, word.start()) is not None
                end = word.end()
            begins[min(number + 1, len(self.hashes))] = True
        begins[-1] = True
        return begins


def words_of(texts: Sequence[str]) -> Words:
    """The words of ``texts``, hashed."""
    hashes: list[int] = []
    starts: list[int] = []
    for number, text in enumerate(texts):
        if number:
            hashes.append(_HASHES[f"\0{number}"])
        starts.append(len(hashes))
        hashes += map(_HASHES.__getitem__, words(text))
    return Words(tuple(texts), np.array(hashes, dtype=np.uint64), tuple(starts))


def runs_of(hashes: RunKeys, longest: int) -> Iterator[tuple[int, RunKeys]]:
    """Lengths from 1 to ``longest``, as far as there are words, each with the keys of the runs of so many
    words that begin at each place."""
    rolling = np.zeros(len(hashes), dtype=np.uint64)
    for length in range(1, min(longest, len(hashes)) + 1):
        rolling = rolling[: len(hashes) - length + 1] + hashes[length - 1 :] * _POWERS[length - 1]
        yield length, _key(rolling, length)


def _key(rolling: RunKeys, length: int) -> RunKeys:
    mixed = (rolling ^ (rolling >> np.uint64(29))) * _MIX + _POWERS[length]
    return (mixed ^ (mixed >> np.uint64(32))) & np.uint64(2**BITS - 1)
