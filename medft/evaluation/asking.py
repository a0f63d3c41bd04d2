"""Questions -> answers of one system; answers that are on disk already are reused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Generic, Literal, TypeVar

from medft.aliases import Json, NamedProgress
from medft.data.record import Message
from medft.errors import PromptError, RunError
from medft.evaluation.answers import AnswerFile, digest
from medft.evaluation.questions import Question
from medft.inference.generation import Reply, Sampling
from medft.inference.likelihood import Likelihood
from medft.inference.session import Session
from medft.prompt.encoded import Encoded

AnswerKind = Literal["generated", "scored"]
T = TypeVar("T", Reply, Likelihood)
Ids = TypeVar("Ids", list[int], Encoded)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
}


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
class Answers:
    """The answers of one system to the questions of a suite."""

    replies: dict[str, Reply] = field(default_factory=dict)
    """The reply to each question, by its id."""
    likelihoods: dict[str, tuple[Likelihood, ...]] = field(default_factory=dict)
    """The likelihood of every candidate answer to a question."""
    not_asked: dict[str, str] = field(default_factory=dict)
    """Why a question was left out: it does not fit the model's context."""
    keys: list[tuple[str, str]] = field(default_factory=list)
    """The keys of the lines used, each with its question; questions with the same prompt share a line."""
    probabilities: bool = True
    """Whether the likelihoods are a model's own, and not just the mark of the candidate that it chose."""


@dataclass(frozen=True, slots=True)
class _Query(Generic[Ids]):
    """What is asked in one go: a prompt to continue, or an answer to score."""

    key: str
    question: str
    ids: Ids
    candidate: str = ""


def ask(
    system: System,
    questions: Sequence[Question],
    sampling: Sampling,
    file: AnswerFile,
    progress: NamedProgress = lambda what, done, total: None,
) -> Answers:
    """Let ``system`` answer every question, and tell the likelihood of every candidate.

    A question that does not fit is left out with its reason, for generation and likelihood alike.
    """
    answers = Answers()
    generate, score = _queries(system, questions, sampling, answers)

    def replies(queries: list[_Query[list[int]]], report: Callable[[dict[int, Reply]], None]) -> None:
        system.session.replies(system.model, [query.ids for query in queries], sampling, report)

    def likelihoods(queries: list[_Query[Encoded]], report: Callable[[dict[int, Likelihood]], None]) -> None:
        system.session.likelihoods(system.model, [query.ids for query in queries], report)

    _do(system, "scored", score, file, Likelihood, likelihoods, progress)
    _do(system, "generated", generate, file, Reply, replies, progress)
    _collect(answers, generate, score, file)
    return answers


def _queries(
    system: System, questions: Sequence[Question], sampling: Sampling, answers: Answers
) -> tuple[list[_Query[list[int]]], list[_Query[Encoded]]]:
    generate: list[_Query[list[int]]] = []
    score: list[_Query[Encoded]] = []
    for question in questions:
        try:
            ids = system.session.prompt(question.prompt, sampling.max_new_tokens)
        except PromptError:
            answers.not_asked[question.id] = "longer than the model's context"
            continue
        rows = system.session.encoder.encode(
            [(*question.prompt, Message("assistant", text)) for text in question.candidates]
        )
        if problem := next((row.problem for row in rows if row.problem), ""):
            answers.not_asked[question.id] = problem
            continue
        if question.generated:
            generate.append(_Query(digest(system.fingerprint, ids, asdict(sampling)), question.id, ids))
        score += [
            _Query(digest(system.fingerprint, row.input_ids, row.labels), question.id, row, candidate)
            for row, candidate in zip(rows, question.candidates, strict=True)
        ]
    return generate, score


def _do(
    system: System,
    kind: AnswerKind,
    queries: list[_Query[Ids]],
    file: AnswerFile,
    form: type[T],
    run: Callable[[list[_Query[Ids]], Callable[[dict[int, T]], None]], None],
    progress: NamedProgress,
) -> None:
    """Run what is not on disk yet, storing each batch as it comes."""
    what = f"{system.name} {'scores' if kind == 'scored' else 'answers'}"
    todo = list({query.key: query for query in queries if _value(form, file, query) is None}.values())
    total, done = len(todo), 0

    def on_batch(batch: dict[int, T]) -> None:
        nonlocal done
        file.add({todo[i].key: _row(system, todo[i], kind, asdict(value)) for i, value in batch.items()})
        done += len(batch)
        progress(what, done, total)

    if todo:
        progress(what, 0, total)
        run(todo, on_batch)


def _collect(
    answers: Answers, generate: list[_Query[list[int]]], score: list[_Query[Encoded]], file: AnswerFile
) -> None:
    for prompt in generate:
        answers.replies[prompt.question] = _demand(Reply, file, prompt)
        answers.keys.append((prompt.key, prompt.question))
    for query in score:
        before = answers.likelihoods.get(query.question, ())
        answers.likelihoods[query.question] = (*before, _demand(Likelihood, file, query))
        answers.keys.append((query.key, query.question))


def _row(system: System, query: _Query[Ids], kind: AnswerKind, value: Json) -> Json:
    said = {"candidate": query.candidate} if kind == "scored" else {}
    return {"item": query.question, "system": system.name, "kind": kind, **said, **value}


def _demand(form: type[T], file: AnswerFile, query: _Query[Ids]) -> T:
    value = _value(form, file, query)
    if value is None:
        raise RunError("an answer that was just written has disappeared", where=str(file.path))
    return value


def _value(form: type[T], file: AnswerFile, query: _Query[Ids]) -> T | None:
    """The answer on disk; None where there is none, or a damaged one."""
    row = file.get(query.key) or {}
    values: dict[str, Any] = {field.name: row.get(field.name) for field in fields(form)}
    whole = all(isinstance(values[field.name], _TYPES[str(field.type)]) for field in fields(form))
    return form(**values) if whole else None
