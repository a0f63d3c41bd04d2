"""What makes two records the same: 64-bit keys of their question, answer, document and whole content.

Keys are BLAKE2b digests of 8 bytes. Among n records a false match has a probability of n^2 / 2^65: below one
in ten million for 1.6 million records.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

from medft.data.record import Record

WORD = re.compile(r"\w+")
ABSENT = 0
"""The key of a text that is not there; never compared."""

TASKS_WITH_SHARED_ANSWERS = frozenset({"refusal"})
"""Tasks in which many questions rightly have one answer."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one record."""

    question: int
    """Equal for records that ask the same (of the same context)."""
    answer: int
    """Equal for records that answer the same; ``ABSENT`` where a shared answer means nothing."""
    group: int
    """Equal for records of one document or patient of one source; ``ABSENT`` without a group."""
    content: int
    """Equal for records that are the same character by character, wherever they came from."""
    words: tuple[str, ...]
    """By which near duplicates are found: the answer's, or the question's where the answer tells nothing."""


def keys_of(record: Record) -> Keys:
    """The keys of a cleaned record."""
    asked, answered = words(question_text(record)), words(answer_text(record))
    answer = ABSENT if record.task in TASKS_WITH_SHARED_ANSWERS else _key_of(answered, answer_text(record))
    turns = [part for turn in record.turns for part in (turn.role, str(turn.learnt), turn.content)]
    content = (
        record.task,
        record.question,
        record.context,
        record.answer,
        record.label,
        record.options,
        *turns,
    )
    return Keys(
        question=_key_of(asked, question_text(record)),
        answer=answer,
        group=_digest(f"{record.source}\n{record.group}") if record.group else ABSENT,
        content=_digest("\0".join(content)),
        words=tuple(asked if answer == ABSENT else answered),
    )


def words(text: str) -> list[str]:
    """The words of ``text`` without case, compatibility forms and punctuation."""
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def same_words(text: str) -> int:
    """A key that texts of the same words share; text without any word is compared as it stands."""
    return _key_of(words(text), text)


def question_text(record: Record) -> str:
    """What a record asks: its question with its context, or all that the user says in a conversation.

    Options belong to it in any order, and the context because one instruction ("Summarise this note.") may
    stand over many documents.
    """
    if record.turns:
        return "\n".join(turn.content for turn in record.turns if turn.role == "user")
    options = sorted(line.partition(". ")[2] for line in record.options.splitlines())
    return "\n".join(filter(None, (record.question, *options, record.context)))


def answer_text(record: Record) -> str:
    """What a record teaches: its answer, or all that the assistant says in a conversation."""
    if record.turns:
        return "\n".join(turn.content for turn in record.turns if turn.role == "assistant")
    return record.answer


def _key_of(words: list[str], text: str) -> int:
    return _digest(" ".join(words) or text.strip())


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") if text else ABSENT
