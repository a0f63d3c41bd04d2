"""Repairs and filters that need to see only one record.

Owns what is repaired, why a record is dropped, and the names both are counted under. Knows nothing of other
records: duplicates and boilerplate are found in ``select``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace

from medft.data.config import CleaningConfig
from medft.data.record import Record

BLANK_ANSWER, BLANK_QUESTION, BLANK_LABEL = "blank_answer", "blank_question", "blank_label"
LEFTOVER, TOO_LONG = "rephrasing_leftover", "too_long"

LABEL_TASKS = frozenset({"nli", "yes_no"})
"""Tasks that learn the label."""
ANSWER_TASKS = frozenset({"qa", "note", "long_answer", "definition", "refusal", "instruction"})
"""Tasks that learn the answer; any other task may learn either."""

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_QUESTION_MARKS = re.compile(r"(?:\s*\?)*\s+\?(?:\s*\?)*$|\?{2,}$")

_REPHRASING = re.compile(
    r"\b(?:re-?phras|re-?word|paraphras)(?:e|ed|ing)\b"
    r"|\balready in (?:proper|correct) english\b"
    r"|^(?:sorry|i'm sorry|could|can|would|please)\b[^.?!]{0,60}\b(?:provide|share|give|clarify)\b"
    r"[^.?!]{0,30}\b(?:more context|context (?:in|of|for|or)|(?:original|exact|current|given|existing) "
    r"(?:text|sentence|phras|word|statement))",
    re.IGNORECASE,
)
_LONGEST_LEFTOVER = 400
"""Characters; a longer text that mentions rephrasing is about it."""


def clean(record: Record, config: CleaningConfig, repairs: Counter[str]) -> Record | str:
    """The repaired record, or the reason why it is dropped.

    Args:
        record: as the source has it.
        config: which filters run; the repairs always do.
        repairs: each repair of this record is counted here under its name.
    """
    repaired = _repair(record, repairs)
    if config.drop_blank_answers and (reason := _blank(repaired)):
        return reason
    if config.drop_leftovers and (_leftover(repaired.question) or _leftover(repaired.answer)):
        return LEFTOVER
    if config.max_characters is not None and _characters(repaired) > config.max_characters:
        return TOO_LONG
    return repaired


def repair_text(text: str, done: set[str]) -> str:
    """NFC, ``\\n`` line ends, no control characters, no runs of blanks, at most one empty line.

    Args:
        text: any text.
        done: the names of the repairs that changed something are added.
    """
    result = text
    if not text.isascii():
        result = unicodedata.normalize("NFC", result)
        done.update({"unicode_nfc"} if result != text else ())
    if "\r" in result:
        result = result.replace("\r\n", "\n").replace("\r", "\n")
        done.add("crlf")
    visible = _CONTROL.sub("", result)
    done.update({"control_characters"} if visible != result else ())
    tidy = _EMPTY_LINES.sub("\n\n", _LINE_ENDS.sub("\n", _BLANKS.sub(" ", visible))).strip()
    done.update({"whitespace"} if tidy != visible else ())
    return tidy


def _repair(record: Record, repairs: Counter[str]) -> Record:
    done: set[str] = set()
    question = repair_text(record.question, done)
    asked = _QUESTION_MARKS.sub("?", question)
    done.update({"question_mark"} if asked != question else ())
    repaired = replace(
        record,
        question=asked,
        context=repair_text(record.context, done),
        answer=repair_text(record.answer, done),
        turns=tuple(replace(turn, content=repair_text(turn.content, done)) for turn in record.turns),
    )
    repairs.update(done)
    return repaired


def _blank(record: Record) -> str | None:
    if record.turns:
        return None if all(turn.content for turn in record.turns) else BLANK_ANSWER
    if not record.question and not record.context:
        return BLANK_QUESTION
    if record.task in LABEL_TASKS:
        return None if record.label else BLANK_LABEL
    learnt = record.answer if record.task in ANSWER_TASKS else record.answer or record.label
    return None if learnt else BLANK_ANSWER


def _characters(record: Record) -> int:
    return sum(map(len, (record.question, record.context, record.answer, *(t.content for t in record.turns))))


def _leftover(text: str) -> bool:
    return len(text) <= _LONGEST_LEFTOVER and _REPHRASING.search(text) is not None
