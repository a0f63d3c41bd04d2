"""Multiple choice: the options of a question, however a source has them, and the letter of the right one."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from medft.data.readers.rows import RowError
from medft.data.record import Record

_LETTERED = re.compile(r"\s*[(\[]?([A-Za-z])\s*[.):\]]\s*")
_MARK = re.compile(r"(?:^|(?<=[\s;,|]))[(\[]?([A-Za-z])([.):\]])\s+(?=\S)")
"""Before each option of several that are one text."""
_POINTING = re.compile(
    r"\b(?:all|none|both|either|any|neither) (?:of )?(?:the )?(?:above|these|them)\b|\babove\b|\bbelow\b"
    r"|\b[A-H] ?(?:,|and|or|&|y|und|et) ?[A-H]\b|\b(?:alle|keine?) (?:der )?(?:genannten|antworten)\b"
    r"|\b(?:todas|ninguna) (?:las )?(?:de las )?anteriores\b"
)
_NAMED = re.compile(
    r"\b(?:ans(?:wer)?|option|choice|opt)\b\W{0,5}(?:is\W{1,3})?[(\"']?[A-Ha-h]\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of one question."""

    options: tuple[str, ...]
    """Their texts, in the order of their letters."""
    right: int
    """Position of the right one."""


def read_choice(values: Sequence[object], gold: object, first: int, place: str) -> Choice:
    """The options of one row.

    Args:
        values: one value per column that holds options: a text each; or one value that is a mapping of
            letters to texts, a list of texts, a list of mappings that each hold one text, one of these as
            JSON, or a text with a letter before each option ("A) fever B) cough").
        gold: the right one: its letter, its number, or its text.
        first: the number of the first option, where ``gold`` is a number.
        place: of the row, for errors.

    Raises:
        RowError: there are not at least two options with a text each, or ``gold`` names none of them.
    """
    keys, texts = _options(values)
    marks = [match and match[1].upper() for match in map(_LETTERED.match, texts)]
    if marks == list(ascii_uppercase[: len(texts)]):
        texts = [_LETTERED.sub("", text, count=1) for text in texts]
    texts = [text.strip() for text in texts]
    while texts and not texts[-1]:
        texts.pop()  # a question with fewer options than the file has columns
    if not 2 <= len(texts) <= len(ascii_uppercase) or not all(texts):
        raise RowError("malformed_options", "the row has fewer than two options with text", where=place)
    return Choice(tuple(texts), _position(gold, keys[: len(texts)], texts, first, place))


def with_choice(record: Record, choice: Choice, seed: int | None) -> Record:
    """``record`` with its options as lettered lines, and the letter of the right one for its label.

    Args:
        record: with the explanation, if any, for its answer.
        choice: the options.
        seed: shuffles them, row by row; None keeps their order. Where an option or the explanation points to
            others by their place ("both A and B", "all of the above", "the answer is C"), it is kept, too.
    """
    order = list(range(len(choice.options)))
    pointing = any(map(_POINTING.search, choice.options)) or _NAMED.search(record.answer)
    if seed is not None and not pointing:
        random.Random(f"{seed}\0{record.question}").shuffle(order)  # noqa: S311
    lines = (f"{letter}. {choice.options[at]}" for letter, at in zip(ascii_uppercase, order, strict=False))
    return replace(record, options="\n".join(lines), label=ascii_uppercase[order.index(choice.right)])


def _options(values: Sequence[object]) -> tuple[list[str], list[str]]:
    """The names of the options, and their texts."""
    value = _parsed(values[0]) if len(values) == 1 else list(values)
    if isinstance(value, Mapping):
        known = {str(key): text for key, text in value.items() if text is not None}
        lists = [item for item in known.values() if isinstance(item, list)]
        if lists:  # columns of a table: {text: [...], label: [...]}
            value = max(lists, key=lambda items: sum(len(str(item)) for item in items))
        else:
            return list(known), [_plain(text) for text in known.values()]
    if isinstance(value, str) and len(values) == 1:
        value = _lettered(value.strip())
    if not isinstance(value, list):
        return [], []
    return [], [_longest(item) if isinstance(item, Mapping) else _plain(item) for item in value]


def _parsed(value: object) -> object:
    """A mapping or list that a csv file holds as text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(value.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return value


def _lettered(text: str) -> list[str]:
    """The options in a text that begins with A, each letter behind the one before it and written alike; none
    where a letter comes twice, since either may be part of an option."""
    marks = list(_MARK.finditer(text))
    marks = [mark for mark in marks if mark[2] == marks[0][2] and mark[1].isupper() == marks[0][1].isupper()]
    if not marks or marks[0].start() or [m[1].upper() for m in marks] != list(ascii_uppercase[: len(marks)]):
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [text[mark.end() : end].strip(" \t\n;,|") for mark, end in zip(marks, ends, strict=True)]


def _longest(item: Mapping[str, object]) -> str:
    """The text of an option that comes with its number or letter."""
    texts = {name: value for name, value in item.items() if isinstance(value, str)}
    return texts.get("text") or texts.get("value") or max(texts.values(), key=len, default="")


def _plain(value: object) -> str:
    return "" if value is None or value != value else str(value)


def _position(gold: object, keys: Sequence[str], texts: Sequence[str], first: int, place: str) -> int:
    said = _plain(gold).strip()
    letter = said.strip("().[]: ").upper()
    if said in keys:
        return list(keys).index(said)
    if said.casefold() in (folded := [text.casefold() for text in texts]) and not said.isdigit():
        return folded.index(said.casefold())
    if len(letter) == 1 and letter in ascii_uppercase[: len(texts)]:
        return ascii_uppercase.index(letter)
    if re.fullmatch(r"\d+(?:\.0)?", said) and 0 <= (number := int(float(said)) - first) < len(texts):
        if isinstance(gold, str) and said in texts and texts[number] != said:
            what = (
                "the right option is ambiguous: this number is one option's position and another "
                "option's text"
            )
            raise RowError("unknown_label", what, where=place, remedy="name it by its letter")
        return number
    if (match := _LETTERED.match(said)) and match[1].upper() in ascii_uppercase[: len(texts)]:
        return ascii_uppercase.index(match[1].upper())
    if said.casefold() in folded:
        return folded.index(said.casefold())
    raise RowError(
        "unknown_label",
        "the right option is not among the row's options by letter, number or text",
        where=place,
        remedy="dataset.first_option=1 where numbers begin at 1; or dataset.on_error=skip",
    )
