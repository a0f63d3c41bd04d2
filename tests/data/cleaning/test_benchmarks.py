"""Benchmark questions are recognised, and others are not taken for them."""

from medft.data.cleaning.benchmarks import PUBMEDQA, benchmark_of, benchmark_questions
from tests.data.support import record


def test_there_are_five_hundred_test_questions_of_pubmedqa():
    assert len(benchmark_questions()) == 500
    assert set(benchmark_questions().values()) == {PUBMEDQA}


def test_other_questions_are_no_benchmarks():
    assert benchmark_of(record()) is None
