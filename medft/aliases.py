"""Types that many rooms share: a JSON object, and functions that are told how far a piece of work is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Json = Mapping[str, object]
"""A JSON object: plain values by name, of any depth."""

Advance = Callable[[int], object]
"""Called with how many were done since the last call."""

Progress = Callable[[int, int], object]
"""Called with how many are done, and of how many."""

NamedProgress = Callable[[str, int, int], object]
"""The same with what is being done before it, where a piece of work has several parts."""
