"""What every kind of suite hands over.

Owns the types between asking and scoring. Knows nothing of any one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from medft.aliases import Json
from medft.data.record import Record
from medft.errors import ConfigError
from medft.evaluation.asking import Answered
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Figure
from medft.evaluation.questions import Question
from medft.prompt.config import TemplateConfig


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of a suite."""

    questions: tuple[Question, ...]
    """In order."""
    notes: tuple[str, ...] = ()
    """What a reader must know about them."""
    extras: Json = field(default_factory=dict)
    """Figures that need no model, such as those of the retrieval."""


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a suite."""

    figures: tuple[Figure, ...]
    """With intervals and paired tests."""
    extras: Json = field(default_factory=dict)
    """Confusion matrices, baselines."""


def common(questions: Sequence[Question], answered: Mapping[str, Answered]) -> list[Question]:
    """The questions that every system was asked."""
    return [q for q in questions if not any(q.id in each.not_asked for each in answered.values())]


def groups(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """The questions by group, in order of first appearance; all of them under "" first when there are
    several."""
    found: dict[str, list[Question]] = {}
    for question in questions:
        found.setdefault(question.group, []).append(question)
    return found if len(found) == 1 else {"": list(questions), **found}


def demand_label(config: SuiteConfig, record: Record) -> None:
    """Refuse a record whose gold label is not among the suite's.

    Raises:
        ConfigError: it is not.
    """
    if record.label not in config.labels:
        raise ConfigError(
            "an item has a label that the suite does not know",
            where=f"record {record.id}; the suite knows {', '.join(config.labels)}",
            remedy="set suite.<name>.labels, or map dataset.columns.label",
        )


def wording_note(config: SuiteConfig, records: Sequence[Record], template: TemplateConfig) -> str:
    """Whose words were put around the items."""
    other = sorted({r.task for r in records} - set(template.tasks))
    if not other or config.template is None:
        return f"Wording: template '{template.name}' of the run."
    return (
        f"Wording: template '{config.template.name}' for {', '.join(other)}, since the run's template "
        f"'{template.name}' has none."
    )


def by_system(
    answered: Mapping[str, Answered],
    questions: Sequence[Question],
    value: Callable[[Answered, Question], float],
) -> dict[str, list[float]]:
    """One value per system and question."""
    return {name: [value(each, question) for question in questions] for name, each in answered.items()}
