"""Short trainings of a tiny twin in processes of their own, to be stopped, killed and compared."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from medft.runs import RunDir
from medft.training.losslog import read_rows

ARGUMENTS = (
    "model=mistral", "scale=tiny", "merge=false", "logger.wandb=off", "trainer.max_steps=20",
    "trainer.eval_steps=5", "trainer.save_steps=2", "trainer.per_device_batch_size=4",
)  # fmt: skip
"""Twenty steps, a checkpoint after every second and a validation after every fifth."""


def until_step(run: RunDir, step: int, process: subprocess.Popen[Any], seconds: float = 200) -> None:
    """Wait until ``run`` has a line of ``step``.

    Raises:
        AssertionError: the process ended first, or it took too long.
    """
    end = time.monotonic() + seconds
    while not (run.loss_csv.is_file() and any(int(row["step"]) >= step for row in read_rows(run.loss_csv))):
        assert process.poll() is None, f"ended with {process.returncode} before step {step}"
        assert time.monotonic() < end, f"no step {step} within {seconds} s"
        time.sleep(0.02)


def compared(run: RunDir) -> list[dict[str, str]]:
    """The lines of loss.csv, but for the time that they took."""
    return [
        {name: value for name, value in row.items() if name != "seconds"} for row in read_rows(run.loss_csv)
    ]
