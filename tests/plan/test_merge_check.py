"""A plan says before step 1 where the check of merged weights will run, if not on the GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medft.machine import Machine
from medft.plan.plan import make
from tests.plan.support import H200, T4, machine, request, resolved


def said(artifacts: Path, there: Machine, *overrides: str) -> list[str]:
    wanted = request(artifacts, "model=llama3_1", "trainer=published", *overrides)
    merge = "merge=false" not in overrides
    return make(replace(wanted, merge=merge), resolved(), there).decisions


def test_a_small_card_leaves_it_to_the_processor_or_to_the_weights(tmp_path: Path) -> None:
    (roomy,) = said(tmp_path, machine(T4))
    assert roomy == (
        "the check of merged/ runs on the CPU, which may take hours: answers need 20.1 GB of memory, "
        "and Tesla T4 has 15.3 GB and the host 50.0 GB free"
    )
    (small,) = said(tmp_path, replace(machine(T4), ram_available=11 * 10**9))
    assert "compares only the weights, not the answers" in small and "the host 11.0 GB free" in small
    assert said(tmp_path, machine(H200)) == []
    assert said(tmp_path, machine(T4), "merge=false") == []
