"""Signals that end a process: Ctrl-C, SIGTERM and SIGUSR1 of a scheduler, SIGHUP of a closed terminal.

Every command meets each of them as a ``KeyboardInterrupt``; whoever has something to save first answers them
itself (``answered``), and what must not be interrupted is done ``undisturbed``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
Handler = Callable[[int, FrameType | None], object]


class Ended(KeyboardInterrupt):
    """SIGTERM, SIGHUP or SIGUSR1: unlike Ctrl-C, never meant for a single answer or line."""


def end(number: int, frame: FrameType | None) -> NoReturn:
    """The handler that ends a command: what it was writing is cleared away on the way out."""
    raise KeyboardInterrupt if number == signal.SIGINT else Ended


@contextmanager
def answered(handler: Handler) -> Iterator[None]:
    """Let ``handler`` answer such a signal within the block. A SIGHUP that this process was started to ignore
    (nohup) stays ignored, and threads other than the first change nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in ENDING if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold such signals back until the block has ended; each kind then comes once, however often it came.

    A signal mask would not do: it holds for one thread, and a process with others is reached through them.
    """
    came: list[int] = []
    try:
        with answered(lambda number, frame: came.append(number)):
            yield
    finally:
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
