"""Keys of records: 64-bit hashes of question, answer, whole content, and every text that may tie records
together.

Keys are BLAKE2b digests of 8 bytes. Among n records a false match has a probability of n^2 / 2^65: below one
in ten million for 1.6 million records.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from medft.data.record import Record

WORD = re.compile(r"\w+")
ABSENT = 0
"""The key of a text that is not there; never compared."""

TASKS_WITH_SHARED_ANSWERS = frozenset({"refusal"})
"""Tasks in which many questions rightly have one answer."""


TIES = ("question", "context", "answer", "group")
"""What can tie rows together, see ``dataset.split.tie``."""
SHORTEST_TURN = 5
"""Words; a shorter turn of a conversation ("Thank you, doctor.") says nothing of what it is about."""


@dataclass(frozen=True, slots=True)
class Tie:
    """One text by which a record is tied to others."""

    field: str
    """One of ``TIES``."""
    key: int
    """Equal for the same text."""
    words: tuple[str, ...]
    """Words of the text; few where it may be one of a closed set of answers."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one record."""

    question: int
    """Equal for records that ask the same (of the same context)."""
    answer: int
    """Equal for records that answer the same; ``ABSENT`` where a shared answer means nothing."""
    content: int
    """Equal for records that are the same character by character, wherever they came from."""
    words: tuple[str, ...]
    """By which near duplicates are found: the answer's, or the question's where the answer tells nothing."""
    ties: tuple[Tie, ...] = ()
    """The texts that may tie the record to others, question and context apart."""

    def words_of(self, field: str) -> tuple[str, ...]:
        """The words of the question, context or answer."""
        return _first(self.ties, field)

    @property
    def answers_itself(self) -> bool:
        """Whether the answer is the question, word for word."""
        asked = _first(self.ties, "question")
        return bool(asked) and asked == _first(self.ties, "answer")


def keys_of(record: Record) -> Keys:
    """The keys of a cleaned record."""
    ties = tuple(_ties(record))
    options = words("\n".join(sorted(line.partition(". ")[2] for line in record.options.splitlines())))
    asked = [*_first(ties, "question"), *options, *_first(ties, "context")]
    answered = _first(ties, "answer")
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
        content=_digest("\0".join(content)),
        words=tuple(asked if answer == ABSENT else answered),
        ties=ties,
    )


def _first(ties: Iterable[Tie], field: str) -> tuple[str, ...]:
    return next((tie.words for tie in ties if tie.field == field), ())


def _ties(record: Record) -> Iterator[Tie]:
    """All texts by which a record is tied to others; the first of a field is the whole of it."""
    fields = {"question": record.question, "context": record.context}
    if record.turns:
        fields["question"] = question_text(record)
    if record.task not in TASKS_WITH_SHARED_ANSWERS:
        fields["answer"] = answer_text(record)
    for field, text in fields.items():
        if text:
            yield _tie(field, text)
    for number, group in enumerate(record.groups):
        if group:
            yield Tie("group", _digest(f"{record.source}\n{number}\n{group}"), ())
    for field, role in (("question", "user"), ("answer", "assistant")) if len(record.turns) > 2 else ():
        turns = (_tie(field, turn.content) for turn in record.turns if turn.role == role)
        yield from (tie for tie in turns if len(tie.words) >= SHORTEST_TURN)


def _tie(field: str, text: str) -> Tie:
    found = words(text)
    return Tie(field, _key_of(found, text), tuple(found))


def plain(text: str) -> str:
    """``text`` without case and compatibility forms."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def words(text: str) -> list[str]:
    """The words of ``text`` without case, compatibility forms and punctuation."""
    return WORD.findall(plain(text))


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


def _key_of(words: Sequence[str], text: str) -> int:
    return _digest(" ".join(words) or text.strip())


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") if text else ABSENT
