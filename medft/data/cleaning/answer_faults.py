"""Faults of what a record teaches that nothing mends: no answer in truth, the question again, a model's
refusal.

``faults_of`` tells them from one record; whether a row is dropped for them is decided with all rows known,
see ``select``: "None" may be one of a few classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from medft.data.cleaning.keys import ABSENT, TASKS_WITH_SHARED_ANSWERS, Keys, same_words, words
from medft.data.record import Record

LOST, PLACEHOLDER, REPEATED, REFUSAL, CONTRADICTION = (
    "lost_characters", "placeholder_answer", "answer_is_question", "model_refusal", "contradiction",
)  # fmt: skip
ANSWER_FAULTS = (LOST, PLACEHOLDER, REPEATED, REFUSAL, CONTRADICTION)
"""By name, as setting and ledger call them; their order is that of the bits in ``KeyIndex.faults``."""

_NOTHING = re.compile(
    r"[\W_]*|\W*(?:nan|n/?a\.?|null|nil|undefined|tbd|todo|k\. ?a\.|keine angaben?|"
    r"entfällt|nicht (?:angegeben|verfügbar|zutreffend)|non (?:renseignée?|précisée?|disponible)|"
    r"sans réponse|no aplica|sin respuesta|no disponible|해당 ?(?:사항 ?)?없음|정보 ?없음|"
    r"see (?:above|below)|"
    r"deleted|removed|blank|empty|missing|not (?:available|provided|specified)|no answer|"
    r"ref!|value!|name\?|div/0!)\W*",
    re.IGNORECASE,
)
_NONE = re.compile(r"\W*(?:none|unknown|unbekannt|inconnue?|desconocid[oa]|없음)\W*", re.IGNORECASE)
"""An answer like any other where the row has a context: a note without allergies."""
_SHORT = 20
_REFUSAL = re.compile(
    r"\bas an? (?:artificial intelligence|ai)"
    r"(?:(?: language| text| chat)? ?(?:model|assistant|chatbot)\b|,? i\b| (?:developed|trained|created)\b)"
    r"|\bas a (?:large )?language model\b|\bi(?:'m| am) (?:just |only |merely )?an? (?:large )?"
    r"(?:ai|artificial intelligence|language model)\b"
    r"|^(?:i(?:'m| am) sorry,? (?:but )?|sorry,? (?:but )?|unfortunately,? )?i (?:can(?:no|')t|am unable to|"
    r"am not able to) (?:provide|give|offer|assist|help|answer|fulfil)\b"
    r"|\bals (?:ein )?(?:großes )?(?:ki[- ]?)?sprachmodell\b|\bals ki[- ](?:modell|assistent|system)\b"
    r"|\ben tant qu(?:e |')(?:modèle de langage|ia\b|intelligence artificielle)"
    r"|\bcomo (?:modelo de lenguaje|una? ia\b)|(?:AI|인공지능) ?언어 ?모델(?:로서|이므로|입니다)",
    re.IGNORECASE,
)
_REFUSAL_HINTS = (
    "as an ", "as a ", "i'm", "i am", "i can", "als ", "en tant", "como ", "ai언어", "ai 언어", "인공지능",
)  # fmt: skip
"""One of these stands in every refusal."""
_REFUSAL_WITHIN = 300
"""Characters from the start of an answer: further on, it has been given already."""
_YES_NO = {
    "yes": 1,
    "ja": 1,
    "oui": 1,
    "예": 1,
    "네": 1,
    "no": 2,
    "nein": 2,
    "non": 2,
    "아니요": 2,
    "아니오": 2,
}


def faults_of(record: Record, keys: Keys) -> Iterator[str]:
    """The faults of a mended record, but for contradictions, which need another row."""
    answers = [turn.content for turn in record.turns if turn.role == "assistant" and turn.learnt]
    answers = answers or [record.answer]
    if any("\ufffd" in text for text in _all(record)):
        yield LOST
    if any(_is_placeholder(answer, bool(record.context or record.turns)) for answer in answers):
        yield PLACEHOLDER
    if keys.answers_itself:
        yield REPEATED
    if record.task not in TASKS_WITH_SHARED_ANSWERS and any(_refuses(answer) for answer in answers):
        yield REFUSAL


def bits(faults: Sequence[str]) -> int:
    """The faults as ``KeyIndex.faults`` holds them."""
    return sum(1 << ANSWER_FAULTS.index(fault) for fault in faults)


def verdict(record: Record) -> int:
    """What a record decides, if it does: its class, or yes or no; ``ABSENT`` for other texts."""
    if record.label:
        return same_words(record.label)
    said = words(record.answer[:_SHORT])
    if said and said[0] in _YES_NO:
        return _YES_NO[said[0]]
    return ABSENT


def _all(record: Record) -> Iterator[str]:
    yield from (record.question, record.context, record.answer)
    yield from (turn.content for turn in record.turns)


def _is_placeholder(answer: str, has_context: bool) -> bool:
    if not answer or len(answer) > _SHORT:
        return False
    return _NOTHING.fullmatch(answer) is not None or (not has_context and _NONE.fullmatch(answer) is not None)


def _refuses(answer: str) -> bool:
    start = answer[:_REFUSAL_WITHIN].lower()
    return any(hint in start for hint in _REFUSAL_HINTS) and _REFUSAL.search(start) is not None
