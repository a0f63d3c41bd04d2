"""One job of a sweep: a child ``medft train`` (or evaluate) on GPUs of its own, waited for.

Where to look for: what the process is started with, how it is stopped, and what is said when it ends. It runs
wherever a launcher put it; what an engine patches, and the memory of a GPU, never reach the next job.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil

from medft import ranks
from medft.errors import RunError
from medft.files import take, write_text
from medft.format import duration
from medft.overrides import latest, value_of, written
from medft.runs.record import RunRecord
from medft.runs.values import number as number_of
from medft.sweep.folder import Job, SweepDir
from medft.sweep.gpus import own_gpus

_TAIL = 6  # lines of a failed job that are shown
_POLL = 0.5  # seconds
_INTERRUPTED = 130  # exit code of a run that saved and stopped


def run_job(folder: SweepDir, number: int, leaving: Callable[[], bool] = lambda: False) -> None:
    """Run a job to its end, or go on with it where it was interrupted.

    Args:
        folder: the sweep's.
        number: the job's.
        leaving: whether this process has to go; the job then saves and ends, as when the sweep is stopping.
    """
    job = _job(folder, number)
    if job.state == "finished":
        return

    def stopping() -> bool:
        return leaving() or folder.stopping

    with folder.log(number).open("a", encoding="utf-8") as log:
        if not _take(log):
            folder.say(f"[{number}] {folder.words(job)}: still running elsewhere")
            return
        if _job(folder, number).state in ("finished", "failed"):  # by a machine that held the log until now
            return
        try:
            with own_gpus(folder.logs, _gpus_of(job), stopping) as (environment, held):
                if folder.spent:
                    folder.say(f"[{number}] {folder.words(job)}: not started, the time budget is spent")
                elif not stopping():
                    _run(folder, job, log, stopping, (environment, held))
        except RunError as error:
            folder.mark(number, "failed")
            folder.say(f"[{number}] {folder.words(job)}: FAILED, {error}")


def _job(folder: SweepDir, number: int) -> Job:
    return next(job for job in folder.jobs() if job.number == number)


def _take(log: TextIO) -> bool:
    """Lock a job's log; who only looks whether it is locked holds it for a moment."""
    for _ in range(4):
        if take(log):
            return True
        time.sleep(_POLL / 5)
    return take(log)


def _gpus_of(job: Job) -> int:
    return int(value_of(job.overrides, "sweep.gpus_per_job") or 1)


def result(folder: SweepDir, job: Job) -> tuple[str, float | None]:
    """The name of the metric that a sweep compares (`trainer.sweep_metric`) and a job's value of it: None
    while it is unfinished, or without validation rows."""
    if job.state != "finished":
        return "", None
    record = RunRecord(folder.run(job.number))
    metric = record.demand(str, "summary", "sweep_metric")
    return metric, number_of(record.summary, metric)


def _run(
    folder: SweepDir,
    job: Job,
    log: TextIO,
    stopping: Callable[[], bool],
    gpus: tuple[dict[str, str], tuple[int, ...]],
) -> None:
    number, words = job.number, folder.words(job)
    again = folder.verb == "train" and folder.run(number).config.is_file()
    folder.mark(number, "running")
    folder.say(f"[{number}] {words}: {'resumed' if again else 'started'}")
    began, start = time.perf_counter(), log.tell()
    command = [*_python(_gpus_of(job)), *_command(folder, job, again)]
    code = _wait(_start(folder, number, command, log, *gpus), stopping, _gpus_of(job) > 1)
    seconds = time.perf_counter() - began
    if code == _INTERRUPTED or (code and (stopping() or folder.run(number).state() == "interrupted")):
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


def _python(gpus: int) -> list[str]:
    """Python, as many times as there are GPUs."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}"]
    return [sys.executable, *(torchrun if gpus > 1 else [])]


def _command(folder: SweepDir, job: Job, again: bool) -> list[str]:
    if folder.verb != "train":
        return ["-m", "medft", folder.verb, *latest(job.overrides)]
    run = folder.run(job.number).root
    place = (
        [f"resume='{run}'"]
        if again
        else [*job.overrides, written("sweep.folder", folder.root), written("run_dir", run)]
    )
    return ["-m", "medft", "train", *latest(place)]


def kill_jobs(folder: SweepDir) -> None:
    """Kill the jobs that run on this machine, whoever started them; their last whole checkpoints stay."""
    for job in folder.jobs():
        if job.state == "running" and folder.process(job.number).is_file():
            host, session = folder.process(job.number).read_text(encoding="utf-8").split()
            if host == socket.gethostname():
                _kill(int(session))


def _kill(number: int) -> None:
    """A process and all that it has started; torchrun's are in sessions of their own."""
    try:
        process = psutil.Process(number)
        for one in (process, *process.children(recursive=True)):
            one.kill()
    except psutil.NoSuchProcess:
        pass


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
        env={**ranks.apart(os.environ), **environment},
        pass_fds=held,
        start_new_session=True,
    )
    write_text(folder.process(number), f"{socket.gethostname()} {process.pid}")
    return process


def _wait(process: subprocess.Popen[bytes], stopping: Callable[[], bool], several: bool) -> int:
    """The exit code; a job that is to stop is told so, once."""
    told = False
    try:
        while True:
            try:
                return process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if stopping() and not told:
                    _tell(process.pid, several)
                    told = True
    finally:
        if process.poll() is None:  # a second Ctrl-C; its last whole checkpoint stays
            _kill(process.pid)
            process.wait()


def _tell(number: int, several: bool) -> None:
    """Ask a job to save and end. torchrun would kill its processes half a minute later, so they are asked."""
    process = psutil.Process(number)
    for one in (several and process.children()) or [process]:
        one.send_signal(signal.SIGTERM)


def _tail(log: Path, start: int) -> str:
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(start)
        return "\n".join(f"    {line}" for line in file.read().splitlines()[-_TAIL:])


def _metrics(folder: SweepDir, number: int) -> str:
    summary = RunRecord(folder.run(number)).summary
    names = {"validation loss": "validation_loss", "bits/byte": "bits_per_byte"}
    known = {name: number_of(summary, key) for name, key in names.items()}
    return "".join(f", {name} {value:.3f}" for name, value in known.items() if value is not None)
