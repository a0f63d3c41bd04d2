"""The settings of a prompt template: the words put around a record, per task and language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from medft.errors import ConfigError

FIELDS = ("question", "options", "context", "answer", "label")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class WordingConfig:
    """What is said for one task. The fields of the record are filled:
    ``{question}``, ``{options}``, ``{context}``, ``{answer}`` and ``{label}``."""

    user: str
    """The user's turn."""
    assistant: str = "{answer}"
    """The answer to learn."""
    system: str = ""
    """The system text; empty sends none."""

    def __post_init__(self) -> None:
        for text in (self.user, self.assistant, self.system):
            for name in PLACEHOLDER.findall(text):
                if name not in FIELDS:
                    raise ConfigError(
                        f"a template asks for {{{name}}}, which no record has",
                        remedy="use " + ", ".join(f"{{{known}}}" for known in FIELDS),
                    )

    def fields(self) -> frozenset[str]:
        """The record fields that this wording needs."""
        return frozenset(PLACEHOLDER.findall(self.system + self.user + self.assistant))


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """The wordings of one task."""

    default: WordingConfig
    """Used for every language without one of its own."""
    languages: dict[str, WordingConfig] = field(default_factory=dict)
    """Wordings by ISO 639-1 code."""
    with_context: WordingConfig | None = None
    """Used instead of the default for records that have a context; null where all have one, or none has."""


@dataclass(frozen=True, slots=True)
class TemplateConfig:
    """A prompt template: wordings by task, so that one mixture can hold several tasks."""

    name: str
    """Names the run folder."""
    tasks: dict[str, TaskConfig]
    """Wordings by task (qa, note, nli, ...)."""
    description: str = ""
    """One line for people who choose a template."""
