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


def asked_of_each(tests: Sequence[Sequence[Record]], data: Sequence[str]) -> list[list[Record]]:
    """The rows that each of several runs is asked: those that stand in all test splits, or, where there are
    none, in those of all runs on the same data set.

    Args:
        tests: the test split of each run. data: the name of its data set.
    """
    if shared := shared_tests(tests):
        return [shared for _ in tests]
    by_name = {
        name: shared_tests([test for test, of in zip(tests, data, strict=True) if of == name])
        for name in dict.fromkeys(data)
    }
    return [by_name[name] for name in data]


def union(trained: Sequence[Sequence[Record]]) -> list[Record]:
    """The training records of all runs, each content once."""
    found = {keys.keys_of(record).content: record for records in trained for record in records}
    return list(found.values())
