"""Identifiers that have a pattern: dates, telephone numbers, record numbers and the like; and, where a model
is given that knows them, names.

Each is replaced by the name of its kind. What is found never leaves this module: only kinds and counts do.

The kinds are those of the HIPAA Safe Harbor list (45 CFR 164.514(b)(2)) that can be told by their form, in
the languages of ``identifier_patterns``. Names and many addresses cannot: an absence of findings is no proof
of de-identification.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from medft.data.cleaning.identifier_pattern import Pattern
from medft.data.cleaning.identifier_patterns import WITH_DIGITS, WITHOUT_DIGITS
from medft.data.cleaning.names import names_in
from medft.data.record import Record

NAME = "name"

_HINT = re.compile(r"\d|@|www\.|://", re.IGNORECASE)
_DIGITS, _DIGIT = re.compile(r"\d+"), re.compile(r"\d")
Needs = tuple[str, ...]
_NEEDS, _NEEDS_WITHOUT = ({p.needs for p in patterns} - {()} for patterns in (WITH_DIGITS, WITHOUT_DIGITS))
"""What patterns need, once each."""
_BEFORE, _AFTER = 90, 60
"""Characters around a digit in which all of an identifier lies, with the words that it is told by."""


def redact(text: str) -> tuple[str, Counter[str]]:
    """``text`` with each identifier replaced by its kind in brackets, and how many there were of each."""
    found: Counter[str] = Counter()
    if not _HINT.search(text):
        return text, found
    text = _searched(WITHOUT_DIGITS, _NEEDS_WITHOUT, text, found)
    done, parts = 0, []
    for start, end in _zones(text):
        parts += [text[done:start], _searched(WITH_DIGITS, _NEEDS, text[start:end], found)]
        done = end
    return "".join((*parts, text[done:])), found


def _zones(text: str) -> Iterator[tuple[int, int]]:
    """Parts of a text around its digits, from blank to blank."""
    start = end = -1
    for digit in _DIGITS.finditer(text):
        if digit.start() - _BEFORE > end >= 0:
            yield start, end
            start = -1
        if start < 0:
            start = text.rfind(" ", 0, max(0, digit.start() - _BEFORE)) + 1
        end = text.find(" ", digit.end() + _AFTER)
        end = len(text) if end < 0 else end
    if start >= 0:
        yield start, end


def _searched(patterns: Sequence[Pattern], needs: Collection[Needs], text: str, found: Counter[str]) -> str:
    lower, digits = text.lower(), len(_DIGIT.findall(text))
    met = {words for words in needs if any([word in lower for word in words])}  # noqa: C419  # faster
    for pattern in patterns:
        if digits >= pattern.digits and (not pattern.needs or pattern.needs in met):
            text = _replaced(pattern, text, found)
    return text


def _without_names(text: str, model: str, found: Counter[str]) -> str:
    for start, end in reversed(names_in(text, model)):
        found[NAME] += 1
        text = f"{text[:start]}[{NAME.upper()}]{text[end:]}"
    return text


def _replaced(pattern: Pattern, text: str, found: Counter[str]) -> str:
    def kind(match: re.Match[str]) -> str:
        if pattern.holds and not pattern.holds(match):
            return match[0]
        found[pattern.kind] += 1
        return f"[{pattern.kind.upper()}]"

    return pattern.regex.sub(kind, text)


def redact_record(record: Record, names: str | None = None) -> tuple[Record, Counter[str]]:
    """``record`` with its identifiers replaced by their kinds, and how many there were of each.

    Args:
        record: any record.
        names: a spaCy model that finds names; None looks for patterned identifiers alone.

    Raises:
        ConfigError: there is no such model, or no spaCy.
    """
    found: Counter[str] = Counter()

    def replaced(text: str) -> str:
        text, counts = redact(text if names is None else _without_names(text, names, found))
        found.update(counts)
        return text

    return (
        replace(
            record,
            question=replaced(record.question),
            context=replaced(record.context),
            options=replaced(record.options),
            answer=replaced(record.answer),
            turns=tuple(replace(turn, content=replaced(turn.content)) for turn in record.turns),
        ),
        found,
    )
