"""The pivot type between data sources and prompts, and the names of the splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    """Who speaks."""
    content: str
    """What is said, as plain text."""
    learnt: bool = True
    """Whether the loss falls on it, where the assistant speaks."""


@dataclass(frozen=True, slots=True)
class Record:
    """One training or evaluation example in no model's format. Unused text fields are empty strings."""

    id: str
    """Unique within a data set, stable between runs."""
    source: str
    """Name of the data set it was read from."""
    task: str
    """What is asked for: qa, note, nli, yes_no, long_answer, definition, refusal, conversation, ..."""
    language: str
    """ISO 639-1 code of the question and answer."""
    question: str = ""
    """The question or instruction; the premise of an NLI pair is the context, the hypothesis the question."""
    context: str = ""
    """What the answer must rest on: a clinical note, abstract passages, a premise."""
    answer: str = ""
    """The text to learn."""
    label: str = ""
    """The gold class in the words of the source, for classification tasks."""
    options: str = ""
    """The options of a multiple-choice question, a line each behind its letter; the label is the right one's
    letter."""
    groups: tuple[str, ...] = ()
    """Document, patient, topic: records that share one of them are never in two splits."""
    turns: tuple[Message, ...] = ()
    """A conversation of several turns, ending with the assistant; question and answer are then empty."""

    @property
    def group(self) -> str:
        """The first of its groups, by which results are told apart; empty without one."""
        return self.groups[0] if self.groups else ""
