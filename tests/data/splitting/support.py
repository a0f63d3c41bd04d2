"""An index of plain numbers, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medft.data.cleaning.key_index import KeyIndex
from medft.data.cleaning.keys import Keys


def index_of(rows: Iterable[Any]) -> KeyIndex:
    """Rows of (question, answer, group, split[, source[, held out]])."""
    index = KeyIndex()
    for content, (question, answer, group, own, *more) in enumerate(rows, 1):
        source, held_out = [*more, 0, False][:2] if len(more) < 2 else more
        index.add(Keys(question, answer, group, content, ()), source, own, bool(held_out))
    return index
