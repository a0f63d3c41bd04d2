"""The sweep's own process while jobs run: it shows what they say, and asks them to save when it is stopped.

Owns the signals of that process. Knows nothing of how jobs were started.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from medft.screen import Screen
from medft.sweep.folder import SweepDir
from medft.sweep.job import kill_jobs

_ECHO = 0.3  # seconds between looks at what jobs have said
_SAVING = 120.0  # seconds that stopping jobs are waited for when their launcher is gone


@contextmanager
def stoppable(folder: SweepDir, screen: Screen) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) lets running jobs save and end and starts no other; a second kills."""

    def stop(number: int, frame: Any) -> None:
        if folder.stopping:
            raise KeyboardInterrupt
        folder.stop(True)
        os.write(
            screen.bar_stream.fileno(), b"stopping: running jobs save and end; Ctrl-C again kills them\n"
        )

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        kill_jobs(folder)
        raise KeyboardInterrupt(f"go on with   medft train -m sweep.resume={folder.root}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def echo(folder: SweepDir, screen: Screen) -> Iterator[None]:
    """Show what jobs say, from whatever process or machine."""
    folder.said.touch()
    ended = threading.Event()
    with folder.said.open(encoding="utf-8") as said:
        said.seek(0, os.SEEK_END)

        def show() -> None:
            while not ended.wait(_ECHO):
                screen.stream.write(said.read())
                screen.stream.flush()

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            screen.stream.write(said.read())


def settle(folder: SweepDir) -> None:
    """Wait for jobs that are saving."""
    end = time.monotonic() + _SAVING
    while time.monotonic() < end and any(job.state == "running" for job in folder.jobs()):
        time.sleep(_ECHO)
