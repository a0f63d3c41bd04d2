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


def benchmark_of(record: Record) -> str | None:
    """The benchmark whose test split ``record`` is from, by the words of its question, or None."""
    return benchmark_questions().get(keys.same_words(record.question))
