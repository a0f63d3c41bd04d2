"""Test questions of benchmarks, known by their words in whatever file they come."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from medft.data.cleaning import keys
from medft.data.record import Record

PUBMEDQA = "PubMedQA"


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
