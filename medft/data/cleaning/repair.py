"""Repairs of a record's texts: Unicode, line ends, control characters, blanks and question marks."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace

from medft.data.record import Record

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_QUESTION_MARKS = re.compile(r"(?:\s*\?)*\s+\?(?:\s*\?)*$|\?{2,}$")


def repair(record: Record, repairs: Counter[str]) -> Record:
    """The record with all of its texts repaired.

    Args:
        record: as the source has it.
        repairs: each repair of this record is counted here under its name.
    """
    done: set[str] = set()
    question = repair_text(record.question, done)
    asked = _QUESTION_MARKS.sub("?", question)
    done.update({"question_mark"} if asked != question else ())
    repaired = replace(
        record,
        question=asked,
        context=repair_text(record.context, done),
        answer=repair_text(record.answer, done),
        options=repair_text(record.options, done),
        turns=tuple(replace(turn, content=repair_text(turn.content, done)) for turn in record.turns),
    )
    repairs.update(done)
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
