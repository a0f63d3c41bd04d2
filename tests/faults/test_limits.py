"""A disk that is full and a memory that is small: one message, nothing lost, and the same command goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medft.models.tiny import Twin
from tests.faults.kills import opened
from tests.faults.limits import fault


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("prepare", {"RLIMIT_FSIZE": 4_000}),
        ("upload", {"RLIMIT_FSIZE": 2_000}),
        ("evaluate", {"RLIMIT_FSIZE": 6_000}),
    ],
)
def test_the_command_says_so_and_goes_on_once_there_is_room(
    name: str, limits: dict[str, int], tmp_path: Path, twins: Callable[[str], Twin]
) -> None:
    assert twins("mistral")
    with opened(name, tmp_path / "here") as trial:
        expected, _ = trial.whole()
        code, said = trial.limited(limits)
        assert (code, fault(code, said)) == (1, "")
        assert (trial.again(), trial.left()) == (expected, [])
