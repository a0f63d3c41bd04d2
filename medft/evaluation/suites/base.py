"""The protocol of a kind of suite, its questions and results, and helpers for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from medft.aliases import Json
from medft.data.record import Record
from medft.errors import ConfigError
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Metric
from medft.evaluation.questions import Items, Question, words_for
from medft.prompt.config import TemplateConfig


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a suite."""

    questions: tuple[Question, ...]
    """The questions, in order."""
    notes: tuple[str, ...] = ()
    """Notes for the report."""
    extras: Json = field(default_factory=dict)
    """Metrics that need no model, such as those of the retrieval."""


@dataclass(frozen=True, slots=True)
class Result:
    """The metrics of a suite."""

    metrics: tuple[Metric, ...]
    """With intervals and paired tests."""
    extras: Json = field(default_factory=dict)
    """Confusion matrices, baselines."""
    read: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What was read off the answer of each system to each question, where it is a label."""


class Kind(Protocol):
    """A kind of suite, which is a module with these two functions."""

    def ask(self, config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
        """The questions."""

    def score(
        self, config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int
    ) -> Result:
        """The metrics, from the answers of each system; ``seed`` is of the permutations."""


def common(questions: Sequence[Question], answers: Mapping[str, Answers]) -> list[Question]:
    """The questions that every system was asked."""
    return [q for q in questions if not any(q.id in each.not_asked for each in answers.values())]


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
            "an item has a label that is not among the suite's",
            where=f"record {record.id}; the suite's labels: {', '.join(config.labels)}",
            remedy="set suite.<name>.labels, or map dataset.columns.label",
        )


def wording_note(config: SuiteConfig, records: Sequence[Record], template: TemplateConfig) -> str:
    """Whose words were put around the items, and what the model was told to be."""
    other = sorted({r.task for r in records} - set(template.tasks))
    told = dict.fromkeys(words_for(record, template, config.template).system for record in records)
    system = "".join(f' System prompt: "{each}"' for each in told if each)
    if not other or config.template is None:
        return f"Wording: template '{template.name}' of the run.{system}"
    return (
        f"Wording: template '{config.template.name}' for {', '.join(other)}, since the run's template "
        f"'{template.name}' has none.{system}"
    )


def read_as(questions: Sequence[Question], labels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Labels in the order of ``questions``, by system and question."""
    return {
        system: {question.id: label for question, label in zip(questions, found, strict=True)}
        for system, found in labels.items()
    }


def by_system(
    answers: Mapping[str, Answers],
    questions: Sequence[Question],
    value: Callable[[Answers, Question], float],
) -> dict[str, list[float]]:
    """One value per system and question."""
    return {name: [value(each, question) for question in questions] for name, each in answers.items()}
