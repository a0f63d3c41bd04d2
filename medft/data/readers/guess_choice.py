"""Multiple choice in a file that nobody has described: which columns hold options, which the right one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from medft.data.readers.options import read_choice
from medft.data.readers.rows import RowError, SourceRow
from medft.errors import DataError

Columns = Mapping[str, str | tuple[str, ...]]
"""Column or columns by meaning, as ``dataset.columns`` has them."""
_MOST = 0.9
"""The share of rows that must be alike: what is odd about the others is said by their lines."""
_LETTERED = re.compile(r"(.*?)[ _.-]?([a-h]|[0-9])", re.IGNORECASE)


def offered(names: Sequence[str], head: Sequence[SourceRow]) -> dict[str, str | tuple[str, ...]]:
    """What may be options: three or more columns of one name but for a letter or number that counts up, or a
    column of lists."""
    series: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        if match := _LETTERED.fullmatch(name.strip()):
            series.setdefault(match[1].lower(), []).append((match[2].lower(), name))
    for members in series.values():
        marks = [mark for mark, _ in members]
        if len(marks) >= 3 and marks[0] in "a01" and all(ord(b) - ord(a) == 1 for a, b in pairwise(marks)):
            return {"options": tuple(name for _, name in members)}
    lists = (
        name for name in names if sum(is_several(row.values.get(name)) for row in head) >= _MOST * len(head)
    )
    first = next(lists, None)
    return {"options": first} if first else {}


def is_several(value: object) -> bool:
    """Whether a value holds several options: a list of what are no turns, or a mapping of letters."""
    if isinstance(value, Mapping):
        return len(value) > 1 and all(len(str(key)) == 1 for key in value)
    turns = isinstance(value, list) and any(isinstance(v, Mapping) and {"role", "from"} & {*v} for v in value)
    return isinstance(value, list) and len(value) > 1 and not turns


def multiple_choice(columns: Columns, head: Sequence[SourceRow], fixed: bool) -> tuple[Columns, int] | None:
    """The columns with the gold option for the label and the explanation for the answer, and the number of
    the first option; None where there seem to be no options.

    Raises:
        DataError: there seem to be, but too many rows do not say which is right.
    """
    named, best = dict(columns), 0.0
    explanation = named.pop("explanation", None)
    for gold in (named.get("label"), named.get("answer")):
        for first in (0, 1):
            share = _naming(named["options"], gold, first, head) if isinstance(gold, str) else 0.0
            best = max(best, share)
            if share >= _MOST and isinstance(gold, str):
                named["label"] = gold
                if not fixed:
                    named.pop("answer", None)
                    named.update({"answer": explanation} if explanation else {})
                return named, first
    unanswered = "label" in columns and "answer" not in columns and not isinstance(columns["options"], str)
    if not fixed and (best >= 1 - _MOST or unanswered):
        raise DataError(
            "cannot tell which option is the right one",
            where=f"{head[0].place} and after: {best:.0%} of the rows name one of {columns['options']}",
            remedy="correct the rows, or name it: dataset.columns.label=<column of the right option>; "
            "dataset.columns.answer=... where these are no options",
        )
    return None


def _naming(options: str | tuple[str, ...], gold: str, first: int, head: Sequence[SourceRow]) -> float:
    """The share of rows in which ``gold`` names an option; 0 where the last option's number is left over."""
    columns = (options,) if isinstance(options, str) else options
    numbers = _numbers([row.values.get(gold) for row in head])
    if first == 0 and numbers and min(numbers) == 1 and max(numbers) >= 3:
        return 0.0  # numbers that begin at 1
    fitting = 0
    for row in head:
        with suppress(RowError):
            read_choice([row.values.get(name) for name in columns], row.values.get(gold), first, row.place)
            fitting += 1
    return fitting / len(head)


def _numbers(values: Sequence[object]) -> list[int]:
    """The values, if most are whole numbers; a column with a blank may have them as "1.0"."""
    said = [str(value).removesuffix(".0") for value in values]
    numbers = [int(text) for text in said if text.isdecimal()]
    return numbers if len(numbers) >= _MOST * len(said) else []
