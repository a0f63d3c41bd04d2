"""What every kind of suite hands over.

Owns the types between asking and scoring. Knows nothing of any one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medft.data.record import Record
from medft.evaluation.asking import Answered
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Figure
from medft.evaluation.questions import Question, words_for
from medft.prompt.config import TemplateConfig


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of a suite."""

    questions: tuple[Question, ...]
    """In order."""
    notes: tuple[str, ...] = ()
    """What a reader must know about them."""
    extras: dict[str, Any] = field(default_factory=dict)
    """Figures that need no model, such as those of the retrieval."""


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a suite."""

    figures: tuple[Figure, ...]
    """With intervals and paired tests."""
    extras: dict[str, Any] = field(default_factory=dict)
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


def wording_note(config: SuiteConfig, records: Sequence[Record], template: TemplateConfig) -> str:
    """Whose words were put around the items."""
    own = {r.task for r in records if words_for(r, template, config.wording) is not config.wording}
    other = sorted({r.task for r in records} - own)
    if not other:
        return f"Wording: template '{template.name}' of the run."
    return f"Wording: the suite's own for {', '.join(other)}; the run's template '{template.name}' has none."


def by_system(
    answered: Mapping[str, Answered],
    questions: Sequence[Question],
    value: Callable[[Answered, Question], float],
) -> dict[str, list[float]]:
    """One value per system and question."""
    return {name: [value(each, question) for question in questions] for name, each in answered.items()}
