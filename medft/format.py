"""Numbers as people read them: decimals, counts, durations, bytes; a dash where a value is unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNKNOWN = "-"
_NUMBER = re.compile(
    r"^[-+−]?[\d.,]+(e[-+]?\d+)?([kMB]|%| ±.*| to .*| (min|h) \d\d (s|min)| [A-Za-z]{1,3})?$"
)
_HUGE = 1e15
_ROUNDS_UP = 0.99995  # 999.96 MB is written 1.0 GB


def decimal(value: float | None, places: int = 3) -> str:
    """``1.234``, and ``1.23e+20`` for what has more than 15 digits; a dash for None and NaN."""
    if value is None or value != value:
        return UNKNOWN
    return f"{value:.{places}f}" if abs(value) < _HUGE else f"{value:.3g}"


def count(value: float | None) -> str:
    """``999``, ``31k``, ``2.1M``, ``1.4B``: three digits at most."""
    if value is None or value != value:
        return UNKNOWN
    if abs(value) >= _HUGE:
        return f"{value:.3g}"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def counted(number: int, what: str) -> str:
    """``1 cell``, ``3 cells``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def duration(seconds: float | None) -> str:
    """``42 s``, ``12 min 05 s`` or ``3 h 12 min``."""
    if seconds is None or not abs(seconds) < _HUGE:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def size(count_of_bytes: float | None) -> str:
    """``14.5 GB``; decimal units, as disks and networks count."""
    if count_of_bytes is None or not abs(count_of_bytes) < _HUGE * 1e6:
        return UNKNOWN
    for unit, letters in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count_of_bytes >= _ROUNDS_UP * unit:
            return f"{count_of_bytes / unit:.1f} {letters}"
    return f"{count_of_bytes:.0f} B"


def numeric(rows: Sequence[Sequence[str]], columns: int) -> list[bool]:
    """Per column of a table, whether all its filled cells are numbers as they are written here."""
    filled = [[row[i] for row in rows if row[i] not in ("", UNKNOWN)] for i in range(columns)]
    return [bool(cells) and all(map(_NUMBER.match, cells)) for cells in filled]
