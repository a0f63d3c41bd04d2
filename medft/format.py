"""Figures as people write them: counts, losses, durations, sizes; a dash where a value is unknown.

Owns rounding for display. Knows nothing of what a figure means.
"""

from __future__ import annotations

UNKNOWN = "-"


def decimal(value: float | None, places: int = 3) -> str:
    """``1.234``; a dash for None and NaN."""
    return UNKNOWN if value is None or value != value else f"{value:.{places}f}"


def count(value: float | None) -> str:
    """``999``, ``31k``, ``2.1M``, ``1.4B``."""
    if value is None or value != value:
        return UNKNOWN
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """``42 s``, ``12:05`` (minutes and seconds) or ``3:12:05``."""
    if seconds is None or seconds != seconds:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def size(count_of_bytes: float | None) -> str:
    """``2.1 GB``; decimal units, as disks and networks count."""
    if count_of_bytes is None or count_of_bytes != count_of_bytes:
        return UNKNOWN
    for unit, letters in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count_of_bytes >= unit:
            return f"{count_of_bytes / unit:.1f} {letters}"
    return f"{count_of_bytes:.0f} B"
