"""In which phase of a run an error was met, said by the error itself.

Owns the mark on the error. Knows nothing of what a phase does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Phase = Literal["training", "validation"]

_NOTE = "met in {}"


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Mark whatever error leaves the block with the phase it was met in."""
    try:
        yield
    except Exception as error:
        error.add_note(_NOTE.format(name))
        raise


def phase_of(error: BaseException) -> Phase | None:
    """The phase an error was met in, if any."""
    notes = getattr(error, "__notes__", [])
    return next((name for name in get_args(Phase) if _NOTE.format(name) in notes), None)
