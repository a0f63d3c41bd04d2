"""Filters that need to see only one record: blank texts, leftovers of a rephrasing model, texts too long."""

from __future__ import annotations

import re

from medft.data.cleaning_config import CleaningConfig
from medft.data.record import Record

BLANK_ANSWER, BLANK_QUESTION, BLANK_LABEL = "blank_answer", "blank_question", "blank_label"
LEFTOVER, TOO_LONG = "rephrasing_leftover", "too_long"

LABEL_TASKS = frozenset({"nli", "yes_no", "mcq"})
"""Tasks that learn the label."""
ANSWER_TASKS = frozenset({"qa", "note", "long_answer", "definition", "refusal", "instruction"})
"""Tasks that learn the answer; any other task may learn either."""

_REPHRASING = re.compile(
    r"\b(?:re-?phras|re-?word|paraphras)(?:e|ed|ing)\b"
    r"|\balready in (?:proper|correct) english\b"
    r"|^(?:sorry|i'm sorry|could|can|would|please)\b[^.?!]{0,60}\b(?:provide|share|give|clarify)\b"
    r"[^.?!]{0,30}\b(?:more context|context (?:in|of|for|or)|(?:original|exact|current|given|existing) "
    r"(?:text|sentence|phras|word|statement))",
    re.IGNORECASE,
)
_HINTS = ("phras", "word", "already in", "provide", "share", "give", "clarify")
"""One of these stands in every leftover."""
_LONGEST_LEFTOVER = 400
"""Characters; a longer text that mentions rephrasing is about it."""


def reason_to_drop(record: Record, config: CleaningConfig) -> str | None:
    """The filter that takes a repaired record out, or None when it stays."""
    if config.drop_blank_answers and (reason := _blank(record)):
        return reason
    if config.drop_leftovers and (_leftover(record.question) or _leftover(record.answer)):
        return LEFTOVER
    if config.max_characters is not None and _characters(record) > config.max_characters:
        return TOO_LONG
    return None


def _blank(record: Record) -> str | None:
    if record.turns:
        spoken = (turn.content for turn in record.turns if turn.role != "system")
        return None if all(spoken) else BLANK_ANSWER
    if not record.question and not record.context:
        return BLANK_QUESTION
    if record.task in LABEL_TASKS:
        return None if record.label else BLANK_LABEL
    learnt = record.answer if record.task in ANSWER_TASKS else record.answer or record.label
    return None if learnt else BLANK_ANSWER


def _characters(record: Record) -> int:
    return sum(map(len, (record.question, record.context, record.answer, *(t.content for t in record.turns))))


def _leftover(text: str) -> bool:
    if len(text) > _LONGEST_LEFTOVER:
        return False
    lower = text.lower()
    return any(hint in lower for hint in _HINTS) and _REPHRASING.search(text) is not None
