"""``medft`` in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from medft.machine import probe

ROOT = Path(__file__).parents[2]
MEDFT = [sys.executable, "-m", "medft"]


def medft(
    *arguments: str, cwd: Path, all_cores: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with the output that a user would see.

    Args:
        arguments: of the command line.
        cwd: where it runs.
        all_cores: whether it computes on all ``cores``, instead of on one.
        environment: what else it is told.
    """
    return subprocess.run(
        [*MEDFT, *arguments],
        cwd=cwd,
        env={**_environment(all_cores), **environment},
        capture_output=True,
        text=True,
        timeout=1500 if all_cores else 400,
        check=False,
    )


def start(
    cwd: Path, *overrides: str, stderr: IO[bytes] | int | None = None, all_cores: bool = False
) -> subprocess.Popen[bytes]:
    """Start ``medft train`` and leave it running, what it complains of beside the caller's."""
    return subprocess.Popen(
        [*MEDFT, "train", *overrides],
        cwd=cwd,
        env=_environment(all_cores),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def cores() -> int:
    """Cores that a real model may use: this test process's share, so that
    threads do not wait for one another while other tests run."""
    return max(1, probe().cpu_cores // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _environment(all_cores: bool) -> dict[str, str]:
    """Without a hub and without a user's settings of W&B; this checkout, wherever the command runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    if all_cores:
        clean["OMP_NUM_THREADS"] = str(cores())
    return {**clean, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
