"""A kill -9 in the middle of something, for tests of what is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn


def until_killed(work: Callable[[], object]) -> None:
    """Run ``work`` in a child process that kills itself on the way, by ``die``."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended before anybody killed it"
    assert os.WTERMSIG(status) == signal.SIGKILL


def die() -> NoReturn:
    """What kill -9 does: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
