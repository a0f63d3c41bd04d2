"""Record -> messages: the words of a template around the fields of a record."""

from __future__ import annotations

from collections.abc import Collection

from medft.data.record import Message, Record
from medft.errors import PromptError
from medft.prompt.config import PLACEHOLDER, TemplateConfig, WordingConfig


class UnwordedError(PromptError):
    """One record that the template cannot word, where it words others of its kind."""


def wording(template: TemplateConfig, task: str, language: str, context: bool = False) -> WordingConfig:
    """The wording of ``task``, in ``language`` where the template has one, with or without a context.

    Raises:
        PromptError: the template does not know the task.
    """
    if task not in template.tasks:
        raise PromptError(
            f"template '{template.name}' has no wording for task '{task}'",
            where=f"it knows: {', '.join(sorted(template.tasks))}",
            remedy="choose another template=..., or add the task to the template's YAML",
        )
    entry = template.tasks[task]
    default = entry.with_context if context and entry.with_context else entry.default
    return entry.languages.get(language, default)


def messages(record: Record, template: TemplateConfig) -> tuple[Message, ...]:
    """The conversation to learn from ``record``, ending with the assistant's turn.

    A record of several turns keeps its turns; the template's system text is put before them unless they
    bring their own.

    Raises:
        UnwordedError: a field that the wording needs is empty, or a context has no place in it.
        PromptError: no wording for the task.
    """
    context = bool(record.context.strip())
    words = wording(template, record.task, record.language, context)
    if context and (record.turns or "context" not in words.fields()):
        raise _without_context(template, record.task, record.source)
    if record.turns:
        system = (Message("system", words.system),) if words.system else ()
        return record.turns if record.turns[0].role == "system" else (*system, *record.turns)
    for name in sorted(words.fields()):
        if not getattr(record, name).strip():
            raise UnwordedError(
                f"template '{template.name}' needs the field '{name}' for task '{record.task}'",
                where=f"record {record.id} of {record.source} has none",
                remedy=f"map a column to it (dataset.columns.{name}=...) or choose another template=...",
            )
    turns = (("system", words.system), ("user", words.user), ("assistant", words.assistant))
    return tuple(Message(role, fill(text, record)) for role, text in turns if text)  # type: ignore[arg-type]


def fill(text: str, record: Record) -> str:
    """``text`` with its placeholders replaced, in one pass: braces inside a field stay as they are."""
    return PLACEHOLDER.sub(lambda match: getattr(record, match.group(1)).strip(), text).strip()


def check_fields(
    template: TemplateConfig, task: str, language: str, present: Collection[str], source: str
) -> None:
    """Refuse, before any row is read, a template that needs a field which ``source`` maps no column to, or
    that would leave its context out.

    Raises:
        PromptError: a needed field is not among ``present``, or a context has no place.
    """
    words = wording(template, task, language, "context" in present)
    if "context" in present and "context" not in words.fields():
        raise _without_context(template, task, source)
    missing = words.fields() - set(present)
    if missing:
        names = ", ".join(sorted(missing))
        raise PromptError(
            f"template '{template.name}' needs {names} for task '{task}'; data set '{source}' has none",
            remedy=f"map a column (dataset.columns.{sorted(missing)[0]}=...) or choose another template=...",
        )


def _without_context(template: TemplateConfig, task: str, source: str) -> UnwordedError:
    return UnwordedError(
        f"template '{template.name}' does not use the context of '{source}' in task '{task}'",
        remedy="choose another template=..., or leave the context out: dataset.columns.context=null",
    )
