"""The same items for several runs, whatever each of them was trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence

from medft.data.cleaning import keys
from medft.data.record import Record


def shared_tests(tests: Sequence[Sequence[Record]]) -> list[Record]:
    """The records of the first test split that are in every other, too."""
    first, *others = tests
    contents = [{keys.keys_of(record).content for record in other} for other in others]
    return [record for record in first if all(keys.keys_of(record).content in known for known in contents)]


def union(trained: Sequence[Sequence[Record]]) -> list[Record]:
    """The training records of all runs, each content once."""
    found = {keys.keys_of(record).content: record for records in trained for record in records}
    return list(found.values())
