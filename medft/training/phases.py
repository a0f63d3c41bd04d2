"""Tags exceptions with the phase of a run (training or validation) in which they occurred."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Phase = Literal["training", "validation"]

_NOTE = "met in {}"


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Tag an exception that leaves the block with the phase ``name``."""
    try:
        yield
    except Exception as error:
        error.add_note(_NOTE.format(name))
        raise


def phase_of(error: BaseException) -> Phase | None:
    """The phase in which an error occurred; None where it has no tag."""
    notes = getattr(error, "__notes__", [])
    return next((name for name in get_args(Phase) if _NOTE.format(name) in notes), None)
