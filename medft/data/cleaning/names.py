"""Names of people, as a spaCy model of the user's choice finds them (the extra "names")."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

from medft.errors import ConfigError

LABELS = frozenset({"PERSON", "PER", "PS"})
"""What models of different languages call a person; PS is Korean's."""


class Entity(Protocol):
    """``spacy.tokens.Span``."""

    label_: str
    start_char: int
    end_char: int


class Document(Protocol):
    """``spacy.tokens.Doc``."""

    ents: Iterable[Entity]


def names_in(text: str, model: str) -> list[tuple[int, int]]:
    """Where names of people are in ``text``, from first to last.

    Args:
        text: any text.
        model: the name or folder of a spaCy model with named entities.

    Raises:
        ConfigError: there is no such model, or no spaCy.
    """
    found = (entity for entity in _recognizer(model)(text).ents if entity.label_ in LABELS)
    return sorted((entity.start_char, entity.end_char) for entity in found)


@cache
def _recognizer(model: str) -> Callable[[str], Document]:
    try:
        import spacy
    except ImportError:
        raise ConfigError(
            "looking for names needs spaCy", where="dataset.names", remedy='pip install "medft[names]"'
        ) from None
    try:
        recognizer: Callable[[str], Document] = spacy.load(model)
    except OSError:
        remedy = f"python -m spacy download {model}, or the folder of a model"
        raise ConfigError(
            "there is no such spaCy model", where=f"dataset.names={model}", remedy=remedy
        ) from None
    return recognizer
