"""Answers against reference texts: the run's held-out split, or notes by task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from medft.data.clusters import clusters
from medft.evaluation import metrics
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Measure, Metric, bounded, perplexity, summarize
from medft.evaluation.own_metric import Function, load
from medft.evaluation.questions import Items, Question, answer_text, prompt, words_for
from medft.evaluation.suites.base import QuestionSet, Result, by_system, common, groups, wording_note
from medft.prompt.config import TemplateConfig

WITHIN_1 = (*metrics.AGAINST_REFERENCE, "termination rate", "repetition rate")
"""Metrics from 0 to 1; the others that are medft's own have no upper end."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """One question per record; its gold answer is the candidate whose likelihood is taken."""
    _own(config)  # a metric that cannot be computed is told before any answer is waited for
    questions = []
    whole = items.records if config.by == "task" else [replace(each, groups=()) for each in items.records]
    for record, cluster in zip(items.records, clusters(whole), strict=True):
        words = words_for(record, template, config.template)
        gold = answer_text(record, words)
        part = getattr(record, config.by)
        questions.append(Question(record.id, prompt(record, words), gold, (gold,), part, cluster=cluster))
    return QuestionSet(tuple(questions), (wording_note(config, items.records, template),))


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """Metrics over all questions and, where there are several tasks or groups, per each."""
    found: list[Metric] = []
    for group, questions in groups(common(asked.questions, answers)).items():
        name = group if len(groups(asked.questions)) > 1 else ""
        for measure in _measures(config, questions, answers, name):
            most = 1.0 if measure.name in WITHIN_1 else math.inf
            least = -math.inf if measure.name in config.metrics else 0.0
            found.append(bounded(summarize(measure, seed), least, most))
            if measure.name == "loss":
                found.append(perplexity(measure, seed))
    return Result(tuple(found))


def _measures(
    config: SuiteConfig, questions: Sequence[Question], answers: Mapping[str, Answers], group: str
) -> Iterator[Measure]:
    first = next(iter(answers.values()))
    tokens = [first.likelihoods[q.id][0].tokens for q in questions]
    size = [first.likelihoods[q.id][0].answer_bytes for q in questions]

    def per(value: Callable[[Answers, Question], float]) -> dict[str, list[float]]:
        return by_system(answers, questions, value)

    def of_text(value: Callable[[str, str], float]) -> dict[str, list[float]]:
        return per(lambda each, q: value(each.replies[q.id].text, q.reference))

    nats = per(lambda each, q: each.likelihoods[q.id][0].nats / each.likelihoods[q.id][0].tokens)
    yield Measure("loss", "mean", nats, tokens, higher_is_better=False, group=group, items=questions)
    bits = per(lambda each, q: each.likelihoods[q.id][0].answer_nats / math.log(2) / _bytes(each, q))
    yield Measure("bits per byte", "mean", bits, size, higher_is_better=False, group=group, items=questions)
    for name, metric in {**metrics.AGAINST_REFERENCE, **_own(config)}.items():
        up = name not in config.metrics or config.metrics[name].higher_is_better
        yield Measure(name, "mean", of_text(metric), None, up, group, questions)
    ended = per(lambda each, q: each.replies[q.id].stopped)
    yield Measure("termination rate", "share", ended, group=group, items=questions)
    repeats = of_text(lambda text, _: metrics.repetition(text))
    yield Measure("repetition rate", "mean", repeats, higher_is_better=False, group=group, items=questions)


def _own(config: SuiteConfig) -> dict[str, Function]:
    """The metrics that the suite's YAML names."""
    return {name: load(name, metric.function) for name, metric in config.metrics.items()}


def _bytes(each: Answers, question: Question) -> int:
    return max(each.likelihoods[question.id][0].answer_bytes, 1)
