"""``medft`` in a process whose sweeps run stand-ins for trainings: quick, and each says when it was started.

python -m tests.support.stand_in train -m sweep.resume=FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from medft.cli import main
from medft.sweep import cluster, job
from medft.sweep.folder import Job, SweepDir

SECONDS = "STAND_IN_SECONDS"
"""Tells a stand-in how long to take."""


def command(folder: SweepDir, one: Job, again: bool) -> list[str]:
    """What is started in place of ``medft train``."""
    return [str(Path(__file__).with_name("stand_in_job.py")), str(folder.run(one.number).root)]


class Worker(cluster.Worker):
    """One on a cluster."""

    def __call__(self, number: int) -> None:
        job._command = command
        super().__call__(number)


if __name__ == "__main__":
    job._command = command
    sys.exit(main(sys.argv[1:]))
