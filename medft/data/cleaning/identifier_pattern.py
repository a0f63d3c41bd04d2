"""What an identifier looks like: one form of one kind, and when a text is not even searched for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of one kind."""

    kind: str
    """What it is called in brackets."""
    regex: re.Pattern[str]
    """Its form."""
    needs: tuple[str, ...] = ()
    """One of these is in the lower-case text wherever the identifier does; others are not searched."""
    holds: Callable[[re.Match[str]], bool] | None = None
    """Whether what has the form is one."""
    digits: int = 0
    """So many are in it at least; texts with fewer are not searched."""


def exact(
    kind: str,
    regex: str,
    needs: str = "",
    holds: Callable[[re.Match[str]], bool] | None = None,
    *,
    digits: int = 0,
    flags: re.RegexFlag = re.NOFLAG,
) -> Pattern:
    """A form that is written in just these letters; ``needs`` are words divided by "|"."""
    return Pattern(kind, re.compile(regex, flags), tuple(filter(None, needs.split("|"))), holds, digits)


any_case = partial(exact, flags=re.IGNORECASE)
"""A form that is written in capital or small letters."""
