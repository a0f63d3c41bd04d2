"""The metrics that a suite will give, and the number of items of each, before any model is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medft.evaluation.asking import Answers
from medft.evaluation.questions import Question
from medft.evaluation.run import QuestionSuite, Suite
from medft.evaluation.suites import kind_called
from medft.evaluation.suites.base import QuestionSet, groups
from medft.inference.generation import Reply
from medft.inference.likelihood import Likelihood

_TRIED = 6  # questions of each part that answers are made up to


@dataclass(frozen=True, slots=True)
class Outcome:
    """One metric that a suite will give."""

    metric: str
    """Its name."""
    part: str
    """The part of the suite; empty for the whole."""
    items: int
    """Items that it rests on."""
    units: int
    """Independent ones among them."""
    of_items: bool
    """Whether it has a value of every item, so that runs are compared on the same items."""
    share: bool
    """Whether that value is yes or no."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a suite will ask, and what it will give."""

    questions: int | None
    """Questions to each system; None: lm-evaluation-harness does not tell before it has run."""
    outcomes: tuple[Outcome, ...]
    """The metrics; none are known of lm-evaluation-harness."""


def rehearse(suite: Suite) -> Rehearsal:
    """The metrics of a suite, from answers that are made up to a few of its questions."""
    if not isinstance(suite, QuestionSuite):
        return Rehearsal(None, ())
    parts = groups(suite.asked.questions)
    single = {name: of for name, of in parts.items() if name or len(parts) == 1}
    few = [question for of in single.values() for question in of[:_TRIED]]
    asked = QuestionSet(tuple(few), (), suite.asked.extras)
    answers = {"base": _answers(few, 0.5), "tuned": _answers(few, 0.25)}
    result = kind_called(suite.config.kind).score(suite.config, asked, answers, suite.context.seed)
    found = []
    for metric in result.metrics:
        of = parts.get(metric.group) or next(iter(single.values()))
        measure = metric.per_item
        share = measure is not None and measure.kind == "share"
        clusters = {question.cluster or question.id for question in of}
        found.append(Outcome(metric.name, metric.group, len(of), len(clusters), measure is not None, share))
    return Rehearsal(len(suite.asked.questions), tuple(found))


def _answers(questions: Sequence[Question], slope: float) -> Answers:
    """Answers of a model that does not exist: the references, and likelihoods that all differ."""
    return Answers(
        replies={q.id: Reply(q.reference, 3, True) for q in questions},
        likelihoods={
            q.id: tuple(_likelihood(1 + slope * at + rank) for rank in range(len(q.candidates)))
            for at, q in enumerate(questions)
        },
    )


def _likelihood(nats: float) -> Likelihood:
    return Likelihood(nats + 0.1, 3, nats, 2, 8)
