"""Two kills for each kind of command, at random moments; twenty of each: tests/benchmarks/bench_kills.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medft.models.tiny import Twin
from tests.faults.forks import Forks
from tests.faults.kills import NAMES, moments, opened


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks({}) as started:
        yield started


@pytest.mark.parametrize("name", NAMES)
def test_killed_and_done_again_equals_undisturbed(
    name: str, tmp_path: Path, twins: Callable[[str], Twin], forks: Forks
) -> None:
    assert twins("mistral")
    with opened(name, tmp_path / "here", forks) as trial:
        expected, seconds = trial.whole()
        dealt = moments(seconds, 2, seed=len(name))
        end = trial.killed(dealt, alone=name in ("merge", "sweep"))
    assert (end.result, end.left) == (expected, []), f"killed after {dealt} of {seconds:.2f} s"
