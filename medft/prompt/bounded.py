"""Chat templates come with checkpoints from anywhere, so they are rendered by a child process, which may take
little time and memory; this process never runs one.

Jinja's sandbox keeps a template from files and code, not from ``'a' * 10**10`` or loops in loops.
"""

from __future__ import annotations

import importlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from medft.errors import PromptError
from medft.signals import ENDING

SECONDS = 10
"""Seconds of computing for one conversation; a template takes milliseconds."""
BYTES = 1 << 30
"""Memory beside what the process has already."""
CHARACTERS = 1_000_000
"""Longest text that is rendered for one conversation."""


class TemplateError(Exception):
    """What a template, or Jinja, says when it refuses a conversation."""


def here(render: Callable[[], str]) -> str:
    """What ``render`` returns, in this process: for templates that a library ships.

    Raises:
        TemplateError: with the message of whatever it raises.
    """
    try:
        return render()
    except Exception as error:  # Jinja's own kinds, and what templates raise themselves
        raise TemplateError(str(error)) from error


def rendered(render: Callable[[], str]) -> str:
    """What ``render`` returns, computed by a child process.

    Raises:
        TemplateError: with the message of whatever it raises.
        PromptError: it takes too long or too much memory, or writes too much.
    """
    importlib.import_module("jinja2.sandbox")  # a fork amid its import would wait for that for ever
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        os.close(out)
        _render(render, into)
    os.close(into)
    with open(out, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
        said = _read(pipe.fileno(), child)
    _, status = os.waitpid(child, 0)
    if status or not said:
        raise PromptError(
            "the chat template uses more time, memory or text than any conversation needs",
            remedy="use another copy of this model: its chat template is broken or hostile",
        )
    text = said[1:].decode("utf-8", "surrogatepass")
    if said[:1] == b"E":
        raise TemplateError(text)
    return text


def _render(render: Callable[[], str], into: int) -> NoReturn:
    """The child's whole life: nothing of the parent's is cleaned up, said or written by it."""
    code = 1
    try:
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        _limit()
        try:
            said = "T" + here(render)
        except TemplateError as error:
            if isinstance(error.__cause__, MemoryError):
                raise
            said = f"E{error}"[:CHARACTERS]
        if len(said) <= CHARACTERS:
            with open(into, "wb") as pipe:
                pipe.write(said.encode("utf-8", "surrogatepass"))
            code = 0
    finally:
        os._exit(code)


def _limit() -> None:
    limits = [(resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_CORE, 0)]
    statm = Path("/proc/self/statm")
    if statm.is_file():  # elsewhere than on Linux, time alone is limited
        used = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        limits.append((resource.RLIMIT_AS, used + BYTES))
    for kind, most in limits:
        _, allowed = resource.getrlimit(kind)  # by ulimit, which nobody may raise
        resource.setrlimit(kind, (most if allowed == resource.RLIM_INFINITY else min(most, allowed), allowed))


def _read(pipe: int, child: int) -> bytes:
    """All that the child writes; a busy machine takes longer than the child may compute."""
    end, said = time.monotonic() + 3 * SECONDS, b""
    while select.select([pipe], [], [], max(end - time.monotonic(), 0))[0]:
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return said
        said += piece
    os.kill(child, signal.SIGKILL)
    return b""
