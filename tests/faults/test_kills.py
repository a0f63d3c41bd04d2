"""Two kills in a row for each kind of command, at random moments, and files that may not grow: one message,
nothing lost, and the same command comes to what it comes to undisturbed.

Twenty kills of each: tests/benchmarks/bench_kills.py; full disks and little memory: bench_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from medft.models.tiny import Twin
from tests.faults.forks import Forks
from tests.faults.kills import NAMES, QUICK, Trial, Whole, moments, opened
from tests.faults.limits import fault

ROOM = {"prepare": 4_000, "upload": 2_000, "evaluate": 6_000}
"""Bytes that no file may exceed."""


@pytest.fixture(scope="module", params=NAMES)
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, twins: Callable[[str], Twin],
    forks: Forks,
) -> Iterator[tuple[Trial, Whole]]:  # fmt: skip
    """A kind of command that can be disturbed, and what it comes to when it is not."""
    assert twins("mistral")
    with opened(request.param, tmp_path_factory.mktemp(request.param), QUICK, forks) as trial:
        yield trial, trial.whole()


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks({}) as started:
        yield started


def test_killed_twice_and_done_again_equals_undisturbed(undisturbed: tuple[Trial, Whole]) -> None:
    trial, whole = undisturbed
    dealt = list(islice(moments(whole.seconds * 0.8, 2, seed=len(trial.kind.name)), 2))
    end = trial.killed(dealt, whole, alone=trial.kind.name in ("merge", "sweep"))
    assert (end.result, end.left) == (whole.result, []), f"killed after {dealt} of {whole.seconds:.2f} s"
    assert end.hit, f"dead before it was killed after {dealt} of {whole.seconds:.2f} s"


@pytest.mark.parametrize("undisturbed", ROOM, indirect=True)
def test_where_files_may_not_grow_it_says_so_and_goes_on_once_they_may(
    undisturbed: tuple[Trial, Whole],
) -> None:
    trial, whole = undisturbed
    code, said = trial.limited({"RLIMIT_FSIZE": ROOM[trial.kind.name]})
    assert (code, fault(code, said)) == (1, "")
    assert (trial.again(), trial.left(whole)) == (whole.result, [])
