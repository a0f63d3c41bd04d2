"""Some random faults of every kind; thousands in tests/benchmarks/bench_faults.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fuzz import Fuzzer

KINDS = {"overrides": 40, "data": 30, "conf": 15, "folder": 15}


@pytest.mark.parametrize("kind", KINDS)
def test_random_faults_end_in_a_result_or_a_clear_message(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    fuzzer = Fuzzer(folder, seed=len(kind))
    for _ in range(KINDS[kind]):
        fuzzer.try_one(kind)
    assert fuzzer.account.wrong == [] and fuzzer.account.vague == []
    assert fuzzer.account.messages > 0
