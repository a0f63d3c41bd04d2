"""SLURM: this process's place among those that srun started together, and a further turn when time is up."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import MutableMapping

_PORTS = range(10_000, 30_000)  # below those that systems hand out by themselves
_SECONDS = 60  # that SLURM may take to answer


def join(gpus: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell torch what srun told this process: its number, theirs, and where the first one listens.

    Does nothing under torchrun, which has told it already, and in a batch script outside srun, whose shell
    has the number 0 and the number of tasks, and is alone all the same.

    Args:
        gpus: that this process sees; one where srun binds each task to a GPU of its own.
        environment: of this process.
    """
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if "RANK" in environment or tasks == "1":
        return
    local = int(environment["SLURM_LOCALID"])
    step = int(environment["SLURM_JOB_ID"]) + 97 * int(environment.get("SLURM_STEP_ID", "0"))
    environment["RANK"] = environment["SLURM_PROCID"]
    environment["WORLD_SIZE"] = tasks
    environment["LOCAL_RANK"] = str(local % gpus if gpus else local)
    environment.setdefault("MASTER_ADDR", first_host(environment["SLURM_STEP_NODELIST"]))
    environment.setdefault("MASTER_PORT", str(_PORTS[step % len(_PORTS)]))


def first_host(nodes: str) -> str:
    """The first of a list of hosts as SLURM writes it: node07 of ``node[07-09,12],gpu1``."""
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", nodes).split(",")[0]


def job() -> str | None:
    """The number of the SLURM job that this process belongs to; None outside SLURM."""
    return os.environ.get("SLURM_JOB_ID")


def restarted() -> bool:
    """Whether this job has run before and was put back into the queue."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0


def running() -> bool:
    """Whether SLURM has this job as running: not as cancelled, nor as out of time. False where it does not
    say."""
    number = job()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return number is not None and _state(number) == "RUNNING"
    return False


def ask_again() -> str | None:
    """Put this job back into the queue, to begin anew when there is room.

    A job that is being cancelled, or whose time is over, is not: only one that SLURM has as running. That it
    is when its time is nearly up (``--signal``) and when another is to have its place (preemption).

    Returns:
        What came of it, in words; None outside SLURM, or where the job is ending anyway.
    """
    number = job()
    if number is None:
        return None
    try:
        if _state(number) != "RUNNING":
            return None
        _call("scontrol", "requeue", number)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return f"job {number} is not put back into the queue: {said.strip()}"
    return f"job {number} is back in the queue"


def _state(number: str) -> str:
    return _call("squeue", "--noheader", "--jobs", number, "--format", "%T")


def _call(*command: str) -> str:
    """In a session of its own, which the signals that end a job do not reach."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_SECONDS, check=True, start_new_session=True
    )
    return done.stdout.strip()
