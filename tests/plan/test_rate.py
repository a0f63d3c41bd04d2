"""The rate is that of the newest run that resembles the plan, and of none else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from medft.plan.rate import last_rate
from tests.plan.support import CPU, H200, T4, machine

LIKE = {"model": "mistral", "engine": "unsloth", "scale": "full", "devices": 1}


def run(root: Path, stamp: str, gpus: list[str], cores: int = 8, **summary: Any) -> None:
    folder = root / "runs" / "mistral-x-y" / stamp
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("{}")
    environment = {"machine": {"gpus": [{"name": name} for name in gpus], "cpu_cores": cores}}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "summary.json").write_text(json.dumps({**LIKE, **summary}))


def test_only_a_run_like_it_counts_and_the_newest_of_them(tmp_path: Path) -> None:
    assert last_rate(tmp_path, machine(T4), LIKE) is None
    run(tmp_path, "20260101-000000", ["Tesla T4"], tokens_per_second=100)
    run(tmp_path, "20260102-000000", ["Tesla T4"], tokens_per_second=200)
    run(tmp_path, "20260103-000000", ["NVIDIA H200"], tokens_per_second=9000)
    run(tmp_path, "20260104-000000", ["Tesla T4"], tokens_per_second=300, model="gemma")
    run(tmp_path, "20260105-000000", [], cores=2, tokens_per_second=5)
    run(tmp_path, "20260106-000000", ["Tesla T4"])  # of a version that did not measure
    found = last_rate(tmp_path, machine(T4), LIKE)
    assert found is not None
    assert (found.tokens_per_second, found.run) == (200, "mistral-x-y/20260102-000000")
    assert last_rate(tmp_path, machine(H200), LIKE).tokens_per_second == 9000  # type: ignore[union-attr]
    assert last_rate(tmp_path, CPU, LIKE).tokens_per_second == 5  # type: ignore[union-attr]
    assert last_rate(tmp_path, machine(T4, T4), LIKE) is None
    assert found.words == "200 tokens/s as in mistral-x-y/20260102-000000"


def test_a_damaged_run_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, "20260101-000000", ["Tesla T4"], tokens_per_second=100)
    run(tmp_path, "20260102-000000", ["Tesla T4"], tokens_per_second=200)
    (tmp_path / "runs/mistral-x-y/20260102-000000/summary.json").write_text("{")
    os.utime(tmp_path)
    assert last_rate(tmp_path, machine(T4), LIKE).tokens_per_second == 100  # type: ignore[union-attr]
