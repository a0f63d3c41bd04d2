"""Public medical benchmarks: their test items, known by hashes of runs of their words.

``benchmarks.npz`` beside this module holds hashes and no text; ``tools/make_fingerprints.py`` makes it and
names its sources.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medft.data.cleaning import keys
from medft.data.cleaning.fingerprints import Fingerprints, ItemKeys
from medft.data.cleaning.runs import BITS, RunKeys
from medft.data.record import Record

PUBMEDQA = "PubMedQA"
BYTES = BITS // 8
FILE = Path(__file__).with_name("benchmarks.npz")


@dataclass(frozen=True, slots=True)
class Covered:
    """A benchmark whose test items are known."""

    name: str
    """As papers call it, with the split."""
    items: int
    """How many there are."""
    source: str
    """The public files that its items were read from."""


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """The test items of all benchmarks that are covered."""

    covered: tuple[Covered, ...]
    """In the order of their items."""
    fingerprints: Fingerprints
    """Fingerprints of all items, counted through."""

    def items_in(self, records: Sequence[Record]) -> list[tuple[str, int] | None]:
        """For each of ``records`` the benchmark that it repeats an item of, and the item's number there from
        1; or None."""
        return [None if n is None else self._named(n) for n in self.fingerprints.items_in(records)]

    def _named(self, number: int) -> tuple[str, int]:
        for benchmark in self.covered:
            if number < benchmark.items:
                return benchmark.name, number + 1
            number -= benchmark.items
        raise AssertionError("an item belongs to a benchmark")


@cache
def shipped() -> Benchmarks:
    """The benchmarks of this version of medft."""
    with np.load(FILE, allow_pickle=False) as arrays:
        covered = tuple(Covered(**known) for known in json.loads(str(arrays["covered"])))
        parts = [_divided(arrays[f"{f.name}_keys"], arrays[f"{f.name}_counts"]) for f in fields(ItemKeys)]
    items = [ItemKeys(*of_item) for of_item in zip(*parts, strict=True)]
    return Benchmarks(covered, Fingerprints(items))


def write(path: Path, covered: Sequence[Covered], items: Sequence[ItemKeys]) -> None:
    """What ``shipped`` reads: the keys of all items, in the order of the benchmarks."""
    arrays = {}
    for name in (field.name for field in fields(ItemKeys)):
        keys = [getattr(item, name) for item in items]
        arrays[f"{name}_counts"] = np.array([len(of_item) for of_item in keys], dtype=np.uint16)
        arrays[f"{name}_keys"] = np.concatenate(keys).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :BYTES]
    said = json.dumps([asdict(benchmark) for benchmark in covered])
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, covered=np.array(said), **arrays)


def _divided(keys: npt.NDArray[np.uint8], counts: npt.NDArray[np.uint16]) -> list[RunKeys]:
    """Keys of six bytes as numbers, item by item."""
    wide = np.zeros((len(keys), 8), dtype=np.uint8)
    wide[:, :BYTES] = keys
    ends = np.cumsum(counts, dtype=np.int64)
    return np.split(wide.reshape(-1).view("<u8").astype(np.uint64), ends[:-1])


@cache
def benchmark_questions() -> dict[int, str]:
    """Keys of benchmark test questions -> name of the benchmark.

    The file beside this module holds the digest (``keys.same_words``) of each of PubMedQA's 500 questions.
    """
    text = Path(__file__).with_name("pubmedqa_test.txt").read_text(encoding="ascii")
    return {int(line, 16): PUBMEDQA for line in text.split()}


def is_whole(benchmark: str, rows: int) -> bool:
    """Whether a source with so many test questions of a benchmark is that benchmark itself, not other data
    with strays of it."""
    known = sum(name == benchmark for name in benchmark_questions().values())
    return 2 * rows > known


def benchmark_of(record: Record) -> str | None:
    """The benchmark whose test split ``record`` is from, by the words of its question, or None."""
    return benchmark_questions().get(keys.same_words(record.question))
