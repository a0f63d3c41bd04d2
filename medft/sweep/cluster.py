"""The jobs of a sweep as jobs of a SLURM cluster (`launcher=slurm`, `launcher=slurm_array`), by submitit.

Where to look for: what is asked of SLURM, and what becomes of a job that has to leave before its end.
"""

from __future__ import annotations

import contextlib
import getpass
import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from medft import slurm
from medft.checked import Count, CountOrNone, Positive
from medft.errors import EngineError
from medft.sweep.folder import SweepDir
from medft.sweep.job import run_job
from medft.sweep.watch import settle

if TYPE_CHECKING:
    from submitit import Job

_EXECUTOR = "slurm"
_LOOK = 1.0  # seconds between looks for results
_ASK = 10.0  # seconds between questions to SLURM


@dataclass(frozen=True, slots=True)
class LauncherConfig:
    """What every job of a sweep asks of a SLURM cluster."""

    array: bool = False
    """Send one job array, instead of a job for every run."""
    parallel: Count = 256
    """Runs of an array at a time."""
    partition: str | None = None
    """sbatch --partition."""
    account: str | None = None
    """sbatch --account."""
    qos: str | None = None
    """sbatch --qos."""
    constraint: str | None = None
    """sbatch --constraint."""
    gpus: CountOrNone = 1
    """GPUs of a job."""
    cpus: Count = 8
    """Processor cores of a job."""
    memory_gb: Positive | None = None
    """Memory of a job, in GB; null: what the cluster gives."""
    hours: Positive = 24.0
    """Time of a job; a run that needs more goes on in further turns."""
    turns: Count = 100
    """How often a run may use up its time and go on."""
    saving_seconds: Count = 180
    """How long before its time is up a run is told to save."""
    setup: tuple[str, ...] = ()
    """Lines of shell before each job, such as "module load cuda"."""
    options: dict[str, str] = field(default_factory=dict)
    """Further options of sbatch, without dashes: launcher.options.exclude=node7."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A job of the sweep, in a job of the cluster."""

    root: Path
    """The sweep's folder."""

    def __call__(self, number: int) -> None:
        """Run it; when the cluster wants its node back, let it save, and ask for another turn."""
        came: list[int] = []

        def note(signal_number: int, frame: FrameType | None) -> None:
            came.append(signal_number)

        another_turn: Any = signal.getsignal(signal.SIGUSR2)  # submitit's, which leaves this process
        for expected in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(expected, note)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the sweep's own process
        folder = SweepDir(self.root)
        if not folder.stopping:
            run_job(folder, number, lambda: bool(came))
        unfinished = folder.jobs()[number].state == "to do" and not folder.stopping
        if came and unfinished and (signal.SIGUSR2 in came or slurm.running()):
            another_turn(signal.SIGUSR2, None)

    def checkpoint(self, number: int) -> object:
        """What submitit starts in the next turn: the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, number)


def launch(folder: SweepDir, numbers: Sequence[int], config: LauncherConfig) -> None:
    """Send jobs of a sweep to the cluster and wait until each has ended or is gone.

    Raises:
        EngineError: the cluster does not take them.
    """
    try:
        executor = _submitit().AutoExecutor(
            folder.logs / "submitit" / "%j",
            cluster=_EXECUTOR,
            **{f"{_EXECUTOR}_max_num_timeout": config.turns},
        )
        executor.update_parameters(**_asked(config, folder.root.name))
        with executor.batch() if config.array else contextlib.nullcontext():
            jobs = {number: executor.submit(Worker(folder.root), number) for number in numbers}
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        said = str(error).strip().splitlines()[-1].removeprefix("sbatch: error: ")
        raise EngineError(
            f"the cluster rejected the jobs: {said}",
            where=str(folder.root),
            remedy=f"medft train -m sweep.resume={folder.quoted} launcher...=<another>",
        ) from error
    folder.say(f"submitted to the cluster: {', '.join(f'[{n}] {job.job_id}' for n, job in jobs.items())}")
    try:
        _wait(folder, jobs)
    finally:
        for job in jobs.values():
            if not job.paths.result_pickle.exists():
                job.cancel(check=False)


def _submitit() -> ModuleType:
    """submitit, kept from setting up logging anew: that would close the handlers of all other libraries, and
    absl's closes the stream that it writes to. Its jobs, in processes of their own, go on logging."""
    told = os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    try:
        import submitit
    finally:
        if told == "NOCONFIG":  # not for the jobs, which inherit the environment
            del os.environ["SUBMITIT_LOG_LEVEL"]
    return submitit


def _asked(config: LauncherConfig, name: str) -> dict[str, object]:
    """In submitit's names."""
    wanted = {
        "name": f"medft-{name}",
        "timeout_min": math.ceil(60 * config.hours),
        "cpus_per_task": config.cpus,
        "gpus_per_node": config.gpus or None,
        "mem_gb": config.memory_gb,
        "stderr_to_stdout": True,
        "slurm_partition": config.partition,
        "slurm_account": config.account,
        "slurm_qos": config.qos,
        "slurm_constraint": config.constraint,
        "slurm_signal_delay_s": config.saving_seconds,
        "slurm_array_parallelism": config.parallel,
        "slurm_setup": list(config.setup) or None,
        "slurm_additional_parameters": dict(config.options) or None,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _wait(folder: SweepDir, jobs: Mapping[int, Job[None]]) -> None:
    """Until every job has a result, or is in no queue, as after its node's death."""
    left, asked = list(jobs.values()), time.monotonic()
    while left := [job for job in left if not job.paths.result_pickle.exists()]:
        time.sleep(_LOOK)
        if folder.stopping:
            settle(folder)
            return
        if time.monotonic() - asked >= _ASK:
            queued = _queued() if _EXECUTOR == "slurm" else {job.job_id for job in left if not job.done()}
            left, asked = [job for job in left if queued is None or job.job_id in queued], time.monotonic()


def _queued() -> set[str] | None:
    """The jobs of this user that wait or run; None where SLURM does not say."""
    command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(done.stdout.split())
