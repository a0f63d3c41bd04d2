"""``medft`` in a process whose sweeps run stand-ins for trainings: quick, and each says when it was started.

python -m tests.support.stand_in train -m sweep.resume=FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from medft.cli import main
from medft.sweep import cluster, job
from medft.sweep.folder import Job, SweepDir

SECONDS = "STAND_IN_SECONDS"
"""Tells a stand-in how long to take."""


def command(folder: SweepDir, one: Job, again: bool) -> list[str]:
    """What is started in place of ``medft train``."""
    return [__file__, str(folder.run(one.number).root)]


class Worker(cluster.Worker):
    """One on a cluster."""

    def __call__(self, number: int) -> None:
        job._command = command
        super().__call__(number)


def train(run: Path) -> None:
    """Keep the life of a run folder: made, worked in until told to save, finished once."""
    run.mkdir(exist_ok=True)
    (run / "config.yaml").touch()
    with (run / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.environ.get('RANK', 'alone')}\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    end = time.monotonic() + float(os.environ.get(SECONDS, "0"))
    while time.monotonic() < end:
        time.sleep(0.02)
    if os.environ.get("RANK", "0") == "0":
        with (run / "summary.json").open("x") as summary:  # a second time would be an error
            json.dump({"validation_loss": 1.0, "sweep_metric": "validation_loss"}, summary)


if __name__ == "__main__":
    if sys.argv[1] == "train":
        job._command = command
        sys.exit(main(sys.argv[1:]))
    train(Path(sys.argv[1]))
