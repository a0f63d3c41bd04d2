"""Rows -> records, by the column map of a data set: which columns there must be, and what they may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from hashlib import blake2b
from itertools import chain, islice
from typing import Literal

from medft.config import did_you_mean, nearest
from medft.data.config import ColumnsConfig, DatasetConfig
from medft.data.readers.options import read_choice, with_choice
from medft.data.readers.rows import SPLIT_SYNONYMS, RowError, SourceRow, SourceRows
from medft.data.readers.turns import read_turns
from medft.data.readers.utf8 import MAX_FIELD
from medft.data.record import Message, Record
from medft.errors import DataError

LANGUAGES = {
    name: code
    for code, names in {
        "ar": "arabic العربية", "de": "german deutsch", "en": "english englisch", "es": "spanish español",
        "fr": "french français", "hi": "hindi हिन्दी", "it": "italian italiano", "ja": "japanese 日本語",
        "ko": "korean 한국어", "nl": "dutch nederlands", "pl": "polish polski", "pt": "portuguese português",
        "ru": "russian русский", "tr": "turkish türkçe", "vi": "vietnamese", "zh": "chinese 中文",
    }.items()
    for name in names.split()
}  # fmt: skip
"""Names by which columns call languages -> their codes of ISO 639-1."""
PEEK = 100
"""Rows whose keys together are the columns of a source whose rows may leave keys out."""

NOT_SELECTED: Literal["not_selected"] = "not_selected"


def check_columns(rows: SourceRows, config: DatasetConfig) -> SourceRows:
    """The same rows, after a look at the first of them.

    Raises:
        DataError: a mapped column does not exist; names those that do, and the nearest.
    """
    rows = iter(rows)
    head = list(islice(rows, PEEK))
    known = {name for item in head if isinstance(item, SourceRow) for name in _paths(item.values)}
    wanted = {f.name: getattr(config.columns, f.name) for f in fields(ColumnsConfig)}
    named = [*wanted.items(), *((f"keep.{name}", name) for name in config.keep)]
    for meaning, column in ((meaning, name) for meaning, names in named for name in listed(names)):
        if known and column not in known:
            raise _missing_column(config, meaning, column, known)
    return chain(head, rows)


def to_record(
    row: SourceRow, number: int, name: str, config: DatasetConfig, done: set[str] | None = None
) -> Record:
    """The record in ``row``, the ``number``-th (from 1) of the data set called ``name``.

    Args:
        row: as the source has it.
        number: its number.
        name: of the data set.
        config: its settings.
        done: the names of the repairs that had to be made are added.

    Raises:
        RowError: a value is no text, not UTF-8, has null bytes, is too long, or a label is outside the set.
    """
    columns = config.columns

    def text(column: str | tuple[str, ...] | None) -> str:
        parts = (_text(_value(row.values, name), row.place, name) for name in listed(column))
        return "\n\n".join(part for part in parts if part.strip())

    def field(name: str) -> str:
        return text(getattr(columns, name)) or config.fixed.get(name, "")

    label = "" if columns.options else _label(field("label").strip(), row.place, config)
    turns: tuple[Message, ...] = ()
    if columns.turns:
        turns = read_turns(_value(row.values, columns.turns), row.place, config.learn, done)
    record = Record(
        id=f"{name}:{id_of(row, number, config)}",
        source=name,
        task=text(columns.task).strip() or ("conversation" if turns else config.task),
        language=_language(text(columns.language), row.place, config) or config.language,
        question="" if turns else field("question"),
        context=field("context"),
        answer="" if turns else field("answer"),
        label=label,
        groups=tuple(_short(text(name).strip()) for name in listed(columns.group)),
        turns=tuple(replace(t, content=_text(t.content, row.place, str(columns.turns))) for t in turns),
    )
    return _with_options(record, row, config) if columns.options else record


def id_of(row: SourceRow, number: int, config: DatasetConfig) -> str:
    """The id of a row: what its column says, or its number.

    Raises:
        RowError: the column holds no text.
    """
    column = config.columns.id
    return (_text(_value(row.values, column), row.place, column).strip() if column else "") or str(number)


def _with_options(record: Record, row: SourceRow, config: DatasetConfig) -> Record:
    columns = listed(config.columns.options)
    values = [_value(row.values, column) for column in columns]
    gold = _value(row.values, config.columns.label)
    choice = read_choice(values, gold, config.first_option, row.place)
    for column, text in zip((columns * len(choice.options)), choice.options, strict=False):
        _text(text, row.place, column)  # refuses what is no text
    held_out = split_of(row, config) in ("validation", "test")
    return with_choice(record, choice, None if held_out else config.shuffle_options)


def listed(column: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The columns that one setting names."""
    return (column,) if isinstance(column, str) else column or ()


def _language(text: str, place: str, config: DatasetConfig) -> str:
    """``de`` of ``de``, ``DE``, ``de-AT`` and ``German``."""
    said = text.strip().lower()
    code = LANGUAGES.get(said) or re.split(r"[-_]", said, maxsplit=1)[0]
    if code and not re.fullmatch("[a-z]{2,3}", code):
        what = f"column '{config.columns.language}' says none of the languages by an ISO 639-1 code"
        remedy = "write de for German; dataset.columns.language=null does without; or dataset.on_error=skip"
        raise RowError("unknown_language", what, where=place, remedy=remedy)
    return code


def _label(given: str, place: str, config: DatasetConfig) -> str:
    """The class that a label names; labels may be written as numbers with decimals ("1.0")."""
    names = config.labels if isinstance(config.labels, dict) else {name: name for name in config.labels}
    whole = given.removesuffix(".0")
    if given and names and given not in names and whole not in names:
        what = f"the label in column '{config.columns.label}' is none of {', '.join(names)}"
        remedy = (
            "dataset.labels lists the classes, or maps them: {0: contradiction, ...}; dataset.on_error=skip"
        )
        raise RowError("unknown_label", what, where=place, remedy=remedy)
    return names.get(given, names.get(whole, given))


def selected(row: SourceRow, config: DatasetConfig) -> bool:
    """Whether ``config.keep`` takes this row."""
    return all(str(_value(row.values, name)) in values for name, values in config.keep.items())


def split_of(row: SourceRow, config: DatasetConfig) -> str:
    """The split that the source itself puts the row in; empty when it says nothing."""
    if config.columns.split is None:
        return row.split
    word = str(_value(row.values, config.columns.split) or "").strip().lower()
    if word and word not in SPLIT_SYNONYMS:
        what = f"column '{config.columns.split}' must say train, validation or test"
        raise RowError("unknown_split", what, where=row.place)
    return SPLIT_SYNONYMS.get(word, "")


def _value(values: Mapping[str, object], column: str | None) -> object:
    if column is None or column in values:
        return values.get(column or "")
    value: object = values
    for part in column.split("."):
        if isinstance(value, list):
            value = [item.get(part) if isinstance(item, Mapping) else None for item in value]
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: object, place: str, column: str) -> str:
    if value is None or value != value:  # NaN is how some writers spell "nothing"
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    if isinstance(value, list):
        return "\n\n".join(filter(None, (_text(part, place, column) for part in value)))
    if isinstance(value, Mapping | tuple):  # a tuple is an entry of a parquet map
        names = map(str, value) if isinstance(value, Mapping) else ()
        parts = [name for name in islice(names, 5) if name.isidentifier()]
        remedy = f"name a part of it: {', '.join(f'{column}.{part}' for part in parts)}" if parts else ""
        what = f"column '{column}' holds nested values, not text"
        raise RowError("not_text", what, where=place, remedy=remedy)
    text = str(value)
    if len(text) > MAX_FIELD:
        what = f"column '{column}' has {len(text):,} characters; {MAX_FIELD:,} are the most"
        raise RowError("oversized_field", what, where=place)
    if "\0" in text:
        raise RowError("null_bytes", f"column '{column}' contains null bytes", where=place)
    if not text.isascii() and not _encodable(text):
        remedy = "convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8; or dataset.on_error=skip"
        raise RowError("not_utf8", f"column '{column}' is not UTF-8 text", where=place, remedy=remedy)
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(group: str) -> str:
    """A group as it is, or its digest when it is a whole document."""
    return group if len(group) <= 64 else blake2b(group.encode(), digest_size=16).hexdigest()


def _paths(values: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}.")


def _missing_column(config: DatasetConfig, meaning: str, column: str, known: Iterable[str]) -> DataError:
    near = nearest(column, known) or nearest(column.lower(), known)
    listed = ", ".join(sorted(known)).encode(errors="replace").decode()
    return DataError(
        f"data set '{config.name}' has no column '{column}'" + did_you_mean(near),
        where=f"dataset.columns.{meaning}" if not meaning.startswith("keep") else f"dataset.{meaning}",
        remedy=f"the columns are: {listed}; medft prepare <file> guesses what they mean",
    )
