"""Questions -> answers of one system, reusing what was answered before.

Owns the order of asking and the identity of an answer. Knows nothing of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Generic, Literal, TypeVar

from medft.aliases import Json, NamedProgress
from medft.data.record import Message
from medft.errors import PromptError
from medft.evaluation.answers import AnswerFile, digest
from medft.evaluation.questions import Question
from medft.inference.generation import Reply, Sampling
from medft.inference.likelihood import Likelihood
from medft.inference.session import Session
from medft.prompt.encode import Encoded

AnswerKind = Literal["generated", "scored"]
T = TypeVar("T", Reply, Likelihood)
Ids = TypeVar("Ids", list[int], Encoded)


@dataclass(frozen=True, slots=True)
class System:
    """Something that answers."""

    name: str
    """What the report calls it: base, tuned."""
    session: Session
    """The loaded model."""
    model: str
    """Which model of the session it is."""
    fingerprint: str
    """Identifies the weights and how they are computed: answers of others are never reused."""


@dataclass(slots=True)
class Answered:
    """What one system made of a suite."""

    replies: dict[str, Reply] = field(default_factory=dict)
    """By question."""
    likelihoods: dict[str, tuple[Likelihood, ...]] = field(default_factory=dict)
    """By question, one per candidate."""
    not_asked: dict[str, str] = field(default_factory=dict)
    """Why, by question: it does not fit the model's context."""
    keys: dict[str, str] = field(default_factory=dict)
    """Of the lines used, with their questions."""


@dataclass(frozen=True, slots=True)
class _Task(Generic[Ids]):
    """One thing to ask."""

    key: str
    question: str
    ids: Ids


def ask(
    system: System,
    questions: Sequence[Question],
    sampling: Sampling,
    file: AnswerFile,
    progress: NamedProgress = lambda what, done, total: None,
) -> Answered:
    """Let ``system`` answer every question, and tell the likelihood of every candidate.

    A question that does not fit is left out with its reason, for generation and likelihood alike.
    """
    answered = Answered()
    generate, score = _tasks(system, questions, sampling, answered)

    def said(tasks: list[_Task[list[int]]], done: dict[int, Reply]) -> None:
        file.add(
            {tasks[i].key: _row(system, tasks[i], "generated", asdict(reply)) for i, reply in done.items()}
        )

    def scored(tasks: list[_Task[Encoded]], done: dict[int, Likelihood]) -> None:
        file.add({tasks[i].key: _row(system, tasks[i], "scored", asdict(value)) for i, value in done.items()})

    def replies(tasks: list[_Task[list[int]]], report: Callable[[dict[int, Reply]], None]) -> None:
        system.session.replies(system.model, [task.ids for task in tasks], sampling, report)

    def likelihoods(tasks: list[_Task[Encoded]], report: Callable[[dict[int, Likelihood]], None]) -> None:
        system.session.likelihoods(system.model, [task.ids for task in tasks], report)

    _do(f"{system.name} scores", score, file, likelihoods, scored, progress)
    _do(f"{system.name} answers", generate, file, replies, said, progress)
    _collect(answered, generate, score, file)
    return answered


def _tasks(
    system: System, questions: Sequence[Question], sampling: Sampling, answered: Answered
) -> tuple[list[_Task[list[int]]], list[_Task[Encoded]]]:
    generate: list[_Task[list[int]]] = []
    score: list[_Task[Encoded]] = []
    for question in questions:
        try:
            ids = system.session.prompt(question.prompt, sampling.max_new_tokens)
        except PromptError:
            answered.not_asked[question.id] = "longer than the model's context"
            continue
        rows = system.session.encoder.encode(
            [(*question.prompt, Message("assistant", text)) for text in question.candidates]
        )
        if problem := next((row.problem for row in rows if row.problem), ""):
            answered.not_asked[question.id] = problem
            continue
        generate.append(_Task(digest(system.fingerprint, ids, asdict(sampling)), question.id, ids))
        score += [
            _Task(digest(system.fingerprint, row.input_ids, row.labels), question.id, row) for row in rows
        ]
    return generate, score


def _do(
    what: str,
    tasks: list[_Task[Ids]],
    file: AnswerFile,
    run: Callable[[list[_Task[Ids]], Callable[[dict[int, T]], None]], None],
    store: Callable[[list[_Task[Ids]], dict[int, T]], None],
    progress: NamedProgress,
) -> None:
    """Run what is not on disk yet, storing each batch as it comes."""
    todo = list({task.key: task for task in tasks if file.get(task.key) is None}.values())
    total, done = len(todo), 0

    def on_batch(batch: dict[int, T]) -> None:
        nonlocal done
        store(todo, batch)
        done += len(batch)
        progress(what, done, total)

    if todo:
        progress(what, 0, total)
        run(todo, on_batch)


def _collect(
    answered: Answered, generate: list[_Task[list[int]]], score: list[_Task[Encoded]], file: AnswerFile
) -> None:
    for asked in generate:
        answered.replies[asked.question] = _value(Reply, file, asked)
        answered.keys[asked.key] = asked.question
    for task in score:
        before = answered.likelihoods.get(task.question, ())
        answered.likelihoods[task.question] = (*before, _value(Likelihood, file, task))
        answered.keys[task.key] = task.question


def _row(system: System, task: _Task[Ids], kind: AnswerKind, value: Json) -> Json:
    return {"item": task.question, "system": system.name, "kind": kind, **value}


def _value(kind: type[T], file: AnswerFile, task: _Task[Ids]) -> T:
    row = file.get(task.key) or {}
    return kind(**{f.name: row[f.name] for f in fields(kind)})
