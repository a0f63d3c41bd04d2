"""The test items of benchmarks are known by hashes alone, and other texts are not taken for them."""

import numpy as np

from medft.data.cleaning.benchmarks import (
    FILE,
    PUBMEDQA,
    Covered,
    benchmark_of,
    benchmark_questions,
    shipped,
    write,
)
from medft.data.cleaning.fingerprints import fingerprint
from tests.data.support import record


def test_there_are_five_hundred_test_questions_of_pubmedqa():
    assert len(benchmark_questions()) == 500
    assert set(benchmark_questions().values()) == {PUBMEDQA}


def test_other_questions_are_no_benchmarks():
    assert benchmark_of(record()) is None
    assert shipped().items_in([record()])[0] is None


def test_five_benchmarks_are_covered_with_their_sources_and_no_text():
    counts = {known.name.split(" ")[0]: known.items for known in shipped().covered}
    assert counts == {"PubMedQA": 500, "MedQA": 1273, "MedMCQA": 4183, "MMLU": 1089, "HeadQA": 5484}
    assert all(known.source.startswith("github.com/") for known in shipped().covered)
    assert FILE.stat().st_size < 5_000_000
    with np.load(FILE, allow_pickle=False) as arrays:
        kinds = {arrays[name].dtype.kind for name in arrays.files if name != "covered"}
    assert kinds == {"u"}


def test_items_are_numbered_within_their_benchmark(tmp_path, monkeypatch):
    asked = [
        "Why do the lamps in the old ward flicker at night in spring but not in autumn?",
        "Who lowers the beds?",
    ]
    path = tmp_path / "x.npz"
    write(
        path, [Covered("a", 1, "here"), Covered("b", 1, "there")], fingerprint([(q, (), ()) for q in asked])
    )
    monkeypatch.setattr("medft.data.cleaning.benchmarks.FILE", path)
    found = shipped.__wrapped__()
    assert [found.items_in([record(question)])[0] for question in asked] == [("a", 1), ("b", 1)]
    assert found.covered[1].source == "there"
