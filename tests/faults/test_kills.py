"""Two kills for each kind of command, at random moments; twenty of each: tests/benchmarks/bench_kills.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medft.models.tiny import Twin
from tests.faults.kills import KINDS, Killable, killed, moments, whole


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_killed_and_done_again_equals_undisturbed(
    kind: Killable, tmp_path: Path, twins: Callable[[str], Twin]
) -> None:
    assert twins("mistral")
    expected, seconds = whole(kind, tmp_path)
    for moment in moments(seconds, 2, seed=len(kind.name)):
        found, _, left = killed(kind, tmp_path, moment)
        assert (found, left) == (expected, []), f"killed after {moment:.2f} of {seconds:.2f} s"
