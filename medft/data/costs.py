"""The seconds that each step and check of a preparation took, in all processes together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
COSTS = "costs.json"
"""In the folder of a prepared data set: seconds by step."""


class Costs(dict[str, float]):
    """Seconds by name of the step."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what is done inside under ``name``."""
        began = perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + perf_counter() - began

    def add(self, more: dict[str, float]) -> None:
        """Count the seconds of another process, too."""
        for name, seconds in more.items():
            self[name] = self.get(name, 0.0) + seconds

    def of_each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """``items``, with the time that it takes to make them counted under ``name``."""
        iterator, spent = iter(items), 0.0
        try:
            while True:
                began = perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                finally:
                    spent += perf_counter() - began
                yield item
        finally:
            self[name] = self.get(name, 0.0) + spent
