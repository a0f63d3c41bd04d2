"""The settings of a prompt template: the words put around a record, per task and language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from medft.checked import Name
from medft.errors import ConfigError

FIELDS = ("question", "options", "context", "answer", "label")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UNCLOSED = re.compile(rf"\{{\s*({'|'.join(FIELDS)})\b(?!\}})")
"""A field that lacks its closing brace, or has blanks inside the braces."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


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
                        f"a template uses {{{name}}}, which records do not have",
                        remedy="use " + ", ".join(f"{{{known}}}" for known in FIELDS),
                    )
            if found := _UNCLOSED.search(text):
                raise ConfigError(
                    f"a template has '{found[0]}', which is not replaced", remedy=f"write {{{found[1]}}}"
                )
            if control := _CONTROL.search(text):
                raise ConfigError(
                    f"a template holds the control character {ord(control[0]):#04x}",
                    where=text[:80],
                    remedy="remove it",
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

    def __post_init__(self) -> None:
        for words in filter(None, (self.default, *self.languages.values(), self.with_context)):
            for name, what in (("user", "ask the same of"), ("assistant", "teach the same from")):
                if not PLACEHOLDER.search(getattr(words, name)):
                    raise ConfigError(
                        f"a template's '{name}' uses no field of the record, and would {what} every row",
                        where=getattr(words, name)[:80],
                        remedy="add a field, such as {question} or {answer}",
                    )


@dataclass(frozen=True, slots=True)
class TemplateConfig:
    """A prompt template: wordings by task, so that one mixture can hold several tasks."""

    name: Name
    """Names the run folder."""
    tasks: dict[str, TaskConfig]
    """Wordings by task (qa, note, nli, ...)."""
    description: str = ""
    """One line for people who choose a template."""
