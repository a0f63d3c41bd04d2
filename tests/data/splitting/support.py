"""An index of plain numbers, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medft.data.cleaning.key_index import KeyIndex
from medft.data.cleaning.keys import Keys, Tie


def index_of(rows: Iterable[Any]) -> KeyIndex:
    """Rows of (question, answer, group, split[, source[, held out]])."""
    index = KeyIndex()
    for content, (question, answer, group, own, *more) in enumerate(rows, 1):
        source, held_out = [*more, 0, False][:2] if len(more) < 2 else more
        tied = (("question", question), ("answer", answer), ("group", group))
        ties = tuple(Tie(field, key, ("w",) * 9) for field, key in tied if key)
        index.add(Keys(question, answer, content, (), ties), source, own, bool(held_out))
    return index
