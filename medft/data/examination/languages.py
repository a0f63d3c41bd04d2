"""Detects the languages of a data set from a sample."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.data.cleaning.keys import answer_text, question_text
from medft.data.record import Record

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LANGUAGE_SAMPLE = 1000
LANGUAGE_CHARACTERS = 40
"""Shorter texts have no language that can be told."""
MOST_CHARACTERS = 1000
"""More say no more of it."""
CERTAIN = 0.9
"""Probability from which a detected language counts: lists of diseases and drugs look like Latin at less."""
UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Languages:
    """Languages of a sample of the answers (questions where there is no answer)."""

    sampled: int
    """Rows looked at that were long enough."""
    found: dict[str, int]
    """Rows by detected ISO 639-1 code; ``UNCLEAR`` where no language is certain."""
    unlike: int
    """Rows whose language is certainly not the one that the data set claims."""


def identifier() -> LanguageIdentifier:
    """What tells languages apart; unpacking it takes some tenths of a second, in which another thread may
    compute."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def languages_of(records: Sequence[Record], told_by: LanguageIdentifier) -> Languages:
    """The languages of records that are long enough to tell."""
    found: Counter[str] = Counter()
    unlike = 0
    for record in records:
        language, probability = told_by.classify(_told_by(record))
        certain = probability >= CERTAIN
        found[language if certain else UNCLEAR] += 1
        unlike += certain and language != record.language
    return Languages(len(records), dict(found.most_common()), unlike)


def language_of(texts: Sequence[str]) -> str:
    """The language that four in five of the texts are certainly in, as ISO 639-1 code; empty where there is
    none, or too little to tell it by."""
    long = [text[:MOST_CHARACTERS] for text in texts if len(text) >= LANGUAGE_CHARACTERS]
    if not long:
        return ""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found = Counter(language for language, sure in map(identifier.classify, long) if sure >= CERTAIN)
    [(language, count)] = found.most_common(1) or [("", 0)]
    return language if count >= 0.8 * len(long) else ""


class LanguageSample:
    """A uniform sample of records whose language can be told (reservoir sampling, algorithm R)."""

    def __init__(self, seed: int) -> None:
        self.records: list[Record] = []
        self._draw = random.Random(seed)  # noqa: S311
        self._offered = 0

    def offer(self, record: Record) -> None:
        """Take a record into the draw."""
        if len(_told_by(record)) < LANGUAGE_CHARACTERS:
            return
        self._offered += 1
        if len(self.records) < LANGUAGE_SAMPLE:
            self.records.append(record)
        elif (place := self._draw.randrange(self._offered)) < LANGUAGE_SAMPLE:
            self.records[place] = record


def _told_by(record: Record) -> str:
    return (answer_text(record) or question_text(record))[:MOST_CHARACTERS]
