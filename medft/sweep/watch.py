"""The process of a sweep while its jobs run: shows their output, tells them to save when it is stopped."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from medft.screen import Screen
from medft.signals import answered, undisturbed
from medft.sweep.folder import SweepDir
from medft.sweep.job import kill_jobs

_ECHO = 0.3  # seconds between looks at what jobs have said
_STOPPING = b"stopping: running jobs save and end; press Ctrl-C again to kill them\n"
_SAVING = 120.0  # seconds that stopping jobs are waited for when their launcher is gone


@contextmanager
def stoppable(folder: SweepDir, screen: Screen) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM, or SIGHUP of a closed terminal) lets running jobs save and end and starts
    no other; a second kills."""
    try:
        with answered(lambda number, frame: _stop(folder, screen)):
            yield
    except KeyboardInterrupt:
        with undisturbed():
            kill_jobs(folder)
        raise KeyboardInterrupt(f"resume with   {folder.again}") from None


def _stop(folder: SweepDir, screen: Screen) -> None:
    if folder.stopping:
        raise KeyboardInterrupt
    folder.stop(True)
    with contextlib.suppress(OSError):  # the terminal is gone
        os.write(screen.bar_stream.fileno(), _STOPPING)


@contextmanager
def echo(folder: SweepDir, screen: Screen) -> Iterator[None]:
    """Show what jobs say, from whatever process or machine."""
    folder.said.touch()
    ended = threading.Event()
    with folder.said.open(encoding="utf-8") as said:
        said.seek(0, os.SEEK_END)

        def show() -> None:
            while not ended.wait(_ECHO):
                screen.say(said.read(), end="")

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            screen.say(said.read(), end="")


def settle(folder: SweepDir) -> None:
    """Wait for jobs that run elsewhere; once the sweep is stopping, no longer than saving takes."""
    end = math.inf
    while time.monotonic() < end and any(job.state == "running" for job in folder.jobs()):
        if folder.stopping and end == math.inf:
            end = time.monotonic() + _SAVING
        time.sleep(_ECHO)
