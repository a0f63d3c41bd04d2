"""JSON -> rows: one object a line, or one array of objects, in the memory of one object; or one document that
holds the rows somewhere inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from medft.data.readers.rows import SPLIT_SYNONYMS, RowError, SourceRow, SourceRows
from medft.data.readers.utf8 import MAX_LINE, open_text, read_lines

CHUNK = 2**20
_ROW = frozenset({"question", "instruction", "prompt", "input", "text", "messages", "conversations"})
"""Keys by which an object is a row itself."""
_BETWEEN = re.compile(r"[\s,]*")


def read(path: Path) -> SourceRows:
    """The objects of a file; a line or an array that breaks off is told by its place."""
    with open_text(path) as file:
        is_array = file.read(CHUNK).lstrip().startswith("[")
    yield from _array(path) if is_array else _document(path) if _is_document(path) else _lines(path)


def _is_document(path: Path) -> bool:
    """Whether a file is one object: on one line, or with line breaks inside."""
    lines = (line.strip() for line in read_lines(path))
    first, second = ([*islice(filter(None, lines), 2), "", ""])[:2]
    if not first.startswith("{") or len(first) >= MAX_LINE - 1:
        return False
    return first[-1] in "{[,:" if second else True


def _document(path: Path) -> SourceRows:
    """The rows inside an object: its one list of objects, one for each split, or the objects that are all it
    holds; else it is a row itself."""
    decoder = _Decoder()
    with open_text(path) as file:
        try:
            values = decoder.decode(file.read())
        except (ValueError, RecursionError):
            yield RowError("malformed_json", "the file is not a complete JSON object", where=f"{path}:1")
            return
    if decoder.repeated or not isinstance(values, dict):
        yield _row(f"{path}:1", values, decoder.repeated)
        return
    found = [] if _ROW & values.keys() else list(_lists(values))
    splits = [SPLIT_SYNONYMS.get(name.lower(), "") for name, _ in found]
    if len(found) == 1 or (found and all(splits)):
        for (name, rows), split in zip(found, splits, strict=True):
            yield from (SourceRow(f"{path} {name} row {n}", row, split) for n, row in enumerate(rows, 1))
    elif len(values) > 1 and all(isinstance(value, dict) for value in values.values()):
        yield from (SourceRow(f"{path} {key}", {"id": key, **row}) for key, row in values.items())
    else:
        yield SourceRow(f"{path}:1", values)


def _lists(values: dict[str, object], prefix: str = "") -> Iterator[tuple[str, list[dict[str, object]]]]:
    """The lists of objects in an object, but for turns of a conversation, by dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _lists(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield from [] if {"role", "from"} & value[0].keys() else [(prefix + name, value)]


def _lines(path: Path) -> SourceRows:
    decoder = _Decoder()
    for number, line in enumerate(read_lines(path), 1):
        place = f"{path}:{number}"
        if not line.strip():
            continue
        if len(line) >= MAX_LINE:
            yield RowError("oversized_field", f"the line is longer than {MAX_LINE:,} characters", where=place)
            continue
        try:
            yield _row(place, decoder.decode(line), decoder.repeated)
        except (ValueError, RecursionError):
            yield RowError("malformed_json", "the line is not a complete JSON object", where=place)


def _array(path: Path) -> SourceRows:
    number, decoder = 0, _Decoder()
    with open_text(path) as file:
        try:
            for number, values in enumerate(_elements(file, decoder), 1):
                yield _row(f"{path} row {number}", values, decoder.repeated)
        except (ValueError, RecursionError):
            what = "the JSON array breaks off here"
            yield RowError("malformed_json", what, where=f"{path} row {number + 1}")


def _elements(file: TextIO, decoder: _Decoder) -> Iterator[object]:
    """The values of an array, one at a time.

    Raises:
        ValueError: it breaks off or is not all there is, or a value is longer than ``MAX_LINE`` characters.
    """
    text = file.read(CHUNK)
    at = text.index("[") + 1
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if text.startswith("]", at):
            if (text[at + 1 :] + file.read(CHUNK)).strip():
                raise ValueError("trailing data after the array")
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            more = file.read(max(CHUNK, len(text) - at))
            if not more or len(text) - at > MAX_LINE:
                raise
            text, at = text[at:] + more, 0
        else:
            yield value


class _Decoder(json.JSONDecoder):
    """Reads on where a key stands twice in an object, and says so."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=self._object)
        self.repeated = ""
        """Such a key of the value that was decoded last, in quotes; empty where there is none."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[object, int]:
        """As its base has it."""
        self.repeated = ""
        return super().raw_decode(s, idx)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            self.repeated = repr(next(name for name in names if names.count(name) > 1))
        return values


def _row(place: str, values: object, repeated: str) -> SourceRow | RowError:
    if repeated:
        return RowError("duplicate_key", f"the key {repeated} occurs twice in one object", where=place)
    if isinstance(values, dict):
        return SourceRow(place, values)
    return RowError("malformed_json", "the value is JSON, but not an object {...}", where=place)
