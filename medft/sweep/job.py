"""One job of a sweep: a child ``medft train`` (or evaluate) on a GPU of its own, waited for.

Where to look for: what the process is started with, how it is stopped, and what is said when it ends. It runs
wherever Hydra's launcher put it; what an engine patches, and the memory of a GPU, never reach the next job.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from medft.files import take, write_text
from medft.format import duration
from medft.machine import probe
from medft.overrides import written
from medft.runs.record import RunRecord
from medft.runs.values import number as number_of
from medft.sweep.folder import Job, SweepDir

_TAIL = 6  # lines of a failed job that are shown
_POLL = 0.5  # seconds
_INTERRUPTED = 130  # exit code of a run that saved and stopped


def run_job(folder: SweepDir, number: int) -> None:
    """Run a job to its end, or go on with it where it was interrupted."""
    job = next(job for job in folder.jobs() if job.number == number)
    if job.state == "finished":
        return
    with folder.log(number).open("a", encoding="utf-8") as log:
        if not take(log):
            folder.say(f"[{number}] {folder.words(job)}: still running elsewhere")
            return
        with own_gpu(folder.logs, lambda: folder.stopping) as (environment, held):
            if folder.spent:
                folder.say(f"[{number}] {folder.words(job)}: not started, the hours allowed are spent")
            elif not folder.stopping:
                _run(folder, job, log, environment, held)


def result(folder: SweepDir, job: Job) -> tuple[str, float | None]:
    """The name of the metric that a sweep compares (`trainer.sweep_metric`) and a job's value of it: None
    while it is unfinished, or without validation rows."""
    if job.state != "finished":
        return "", None
    record = RunRecord(folder.run(job.number))
    metric = record.demand(str, "summary", "sweep_metric")
    return metric, number_of(record.summary, metric)


def _run(folder: SweepDir, job: Job, log: TextIO, environment: dict[str, str], held: tuple[int, ...]) -> None:
    number, words = job.number, folder.words(job)
    again = folder.verb == "train" and folder.run(number).config.is_file()
    folder.mark(number, "running")
    folder.say(f"[{number}] {words}: {'resumed' if again else 'started'}")
    began, start = time.perf_counter(), log.tell()
    code = _wait(_start(folder, number, _command(folder, job, again), log, environment, held), folder)
    seconds = time.perf_counter() - began
    if code == _INTERRUPTED or (code and folder.stopping):
        folder.mark(number, "to do", seconds)
        folder.say(f"[{number}] {words}: stopped after {duration(seconds)}")
    elif code or not folder.done(number):
        folder.mark(number, "failed", seconds)
        folder.say(
            f"[{number}] {words}: FAILED after {duration(seconds)}, exit code {code}; {log.name} ends\n"
            + _tail(Path(log.name), start)
        )
    else:
        folder.mark(number, "finished", seconds)
        folder.say(f"[{number}] {words}: finished in {duration(seconds)}{_metrics(folder, number)}")


def _command(folder: SweepDir, job: Job, again: bool) -> list[str]:
    if folder.verb != "train":
        return [sys.executable, "-m", "medft", folder.verb, *job.overrides]
    run = folder.run(job.number).root
    place = (
        [f"resume='{run}'"]
        if again
        else [*job.overrides, written("sweep.folder", folder.root), written("run_dir", run)]
    )
    return [sys.executable, "-m", "medft", "train", *place]


def kill_jobs(folder: SweepDir) -> None:
    """Kill the jobs that run on this machine, whoever started them; their last whole checkpoints stay."""
    for job in folder.jobs():
        if job.state == "running" and folder.process(job.number).is_file():
            host, session = folder.process(job.number).read_text(encoding="utf-8").split()
            if host == socket.gethostname():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(session), signal.SIGKILL)


def _start(
    folder: SweepDir,
    number: int,
    command: list[str],
    log: TextIO,
    environment: dict[str, str],
    held: tuple[int, ...],
) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C reaches the sweep alone, which asks its jobs to save."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, **environment},
        pass_fds=held,
        start_new_session=True,
    )
    write_text(folder.process(number), f"{socket.gethostname()} {process.pid}")
    return process


def _wait(process: subprocess.Popen[bytes], folder: SweepDir) -> int:
    """The exit code; a sweep that is stopping tells its job so, once."""
    told = False
    try:
        while True:
            try:
                return process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if folder.stopping and not told:
                    process.send_signal(signal.SIGTERM)
                    told = True
    finally:
        if process.poll() is None:  # a second Ctrl-C; its last whole checkpoint stays
            process.kill()
            process.wait()


def _tail(log: Path, start: int) -> str:
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(start)
        return "\n".join(f"    {line}" for line in file.read().splitlines()[-_TAIL:])


def _metrics(folder: SweepDir, number: int) -> str:
    summary = RunRecord(folder.run(number)).summary
    names = {"validation loss": "validation_loss", "bits/byte": "bits_per_byte"}
    known = {name: number_of(summary, key) for name, key in names.items()}
    return "".join(f", {name} {value:.3f}" for name, value in known.items() if value is not None)


@contextmanager
def own_gpu(locks: Path, cancelled: Callable[[], bool]) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """A GPU for one job alone, waited for while all are taken.

    Args:
        locks: a folder for lock files, shared by the jobs of a sweep.
        cancelled: asked while waiting; once true, the wait ends without a GPU.

    Yields:
        The environment variables that choose it, and the descriptors that the job inherits to hold it.
        Both are empty on a machine without a GPU.
    """
    names = _gpu_names()
    if not names:
        yield {}, ()
        return
    # The indices of a SLURM allocation are its own: index 0 of two allocations may be two GPUs.
    place = f"{socket.gethostname()}-{os.environ.get('SLURM_JOB_ID', '')}"
    taken = _first_free([locks / f".gpu-{place}-{name}" for name in names], cancelled)
    if taken is None:
        yield {}, ()
        return
    index, file = taken
    with file:
        yield {"CUDA_VISIBLE_DEVICES": names[index]}, (file.fileno(),)


def _gpu_names() -> list[str]:
    count = len(probe().gpus)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(index) for index in range(count)]


def _first_free(locks: list[Path], cancelled: Callable[[], bool]) -> tuple[int, TextIO] | None:
    while not cancelled():
        for index, path in enumerate(locks):
            file = path.open("w")
            if take(file):
                return index, file
            file.close()
        time.sleep(_POLL)
    return None
