"""Fifty runs of 10,000 steps compared, figure, tables and page written: to take less than 15 seconds."""

from __future__ import annotations

import time
from pathlib import Path

from medft.config import build
from medft.verbs import compare
from tests.support.runs import make_run

RUNS, STEPS, LIMIT_SECONDS = 50, 10_000, 15.0


def test_fifty_runs_of_ten_thousand_steps(tmp_path: Path) -> None:
    for number in range(RUNS):
        make_run(
            tmp_path / "runs" / f"mistral-tiny-sample-{number}" / "20261120-101500",
            steps=STEPS,
            seed=number % 5,
            settings={"trainer": {"learning_rate": 1e-5 * (number // 5 + 1)}},
            floor=2.0 + number / 100,
        )
    start = time.perf_counter()
    compare.run(build(compare.CompareConfig, {"artifacts": str(tmp_path)}))
    seconds = time.perf_counter() - start
    print(f"{RUNS} runs x {STEPS} steps compared in {seconds:.1f} s")
    assert seconds < LIMIT_SECONDS
