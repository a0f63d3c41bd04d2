"""Times the parts of a command: shown while it runs, and summed up at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from medft.format import duration
from medft.screen import Screen


class Stages:
    """The parts of a command, timed from now on.

    Args:
        screen: where a part that takes longer than two seconds is shown.
    """

    def __init__(self, screen: Screen) -> None:
        self.seconds: dict[str, float] = {}
        self._screen, self._began = screen, time.perf_counter()

    @contextmanager
    def part(self, name: str, doing: str = "") -> Iterator[None]:
        """Time the block as ``name``; ``doing`` is shown, where the block shows nothing itself."""
        began = time.perf_counter()
        try:
            with self._screen.waiting(doing):
                yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    @property
    def total(self) -> float:
        """Seconds since the command began."""
        return time.perf_counter() - self._began

    def summary(self) -> str:
        """The total, and every part of at least a second, the longest first."""
        parts = sorted(self.seconds.items(), key=lambda part: -part[1])
        shown = [f"{name} {duration(seconds)}" for name, seconds in parts if seconds >= 1]
        return ": ".join(filter(None, (duration(self.total), ", ".join(shown))))
