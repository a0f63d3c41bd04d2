"""Checked types for settings: names that become paths, numbers with a range.

``config.build`` checks them. Every number of a setting is finite besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

LONGEST_NAME = 64


class _IsName:
    """Marks a text that a folder or file is called by: never empty, hidden, or a way to somewhere else."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "pattern": r"^\w[\w.+-]*$", "max_length": LONGEST_NAME}


Name = Annotated[str, _IsName()]
"""Letters, digits, and . _ + - after the first of them."""

Count = Annotated[int, Interval(ge=1, le=1_000_000_000)]
"""How many there are, at least one."""
CountOrNone = Annotated[int, Interval(ge=0, le=1_000_000_000)]
"""How many there are, or none."""
Tokens = Annotated[int, Interval(ge=1, le=100_000_000)]
"""A length in tokens; the longest windows of today have ten million."""
Batch = Annotated[int, Interval(ge=1, le=1_000_000)]
"""Rows that are computed together, or batches that a step sums."""
Rank = Annotated[int, Interval(ge=1, le=65_536)]
"""The rank of an adapter."""
Epochs = Annotated[float, Interval(gt=0, le=10_000)]
"""Passes over the rows."""
Part = Annotated[float, Interval(ge=0, lt=1)]
"""A share of something, never all of it."""
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
"""What NumPy takes as a seed."""
Port = Annotated[int, Interval(ge=1, le=65_535)]
"""A TCP port."""
Rate = Annotated[float, Interval(gt=0, le=10)]
"""A learning rate; those in use are thousands of times smaller."""
Positive = Annotated[float, Interval(gt=0, le=1e12)]
"""A number above 0."""
NonNegative = Annotated[float, Interval(ge=0, le=1e12)]
"""A number of 0 or more."""
