"""Does it keep to medicine? Refusals of questions out of scope, answers to those in scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medft.data.clusters import clusters
from medft.errors import DataError
from medft.evaluation.asking import Answers
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Measure, bounded, statistic, summarize
from medft.evaluation.parsing import is_refusal
from medft.evaluation.questions import Items, Question, prompt, words_for
from medft.evaluation.statistics import OfItems
from medft.evaluation.suites.base import QuestionSet, Result, by_system, common, wording_note
from medft.prompt.config import TemplateConfig

IN, OUT = "in scope", "out of scope"
REFUSAL = "refusal"
"""The task of records that are to be refused."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """Every question in the words of a medical question: how it is put must not give away which kind it is.

    Raises:
        DataError: one of the two kinds is missing.
    """
    questions = []
    for record, cluster in zip(items.records, clusters(items.records), strict=True):
        plain = replace(record, task="qa")
        group = OUT if record.task == REFUSAL else IN
        words = words_for(plain, template, config.template)
        questions.append(Question(record.id, prompt(plain, words), group, group=group, cluster=cluster))
    if {q.group for q in questions} != {IN, OUT}:
        raise DataError(
            f"a scope suite needs questions of both kinds; records with task '{REFUSAL}' are out of scope",
            remedy="use a mixture of both as its data set",
        )
    plain_records = [replace(record, task="qa") for record in items.records]
    return QuestionSet(tuple(questions), (wording_note(config, plain_records, template),))


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """Refusal rate out of scope, answer rate in scope, and Youden's J = both - 1 (Youden 1950): 0 for a model
    that refuses everything and for one that answers everything, 1 for a perfect one."""
    questions = common(asked.questions, answers)
    out = [q for q in questions if q.group == OUT]
    within = [q for q in questions if q.group == IN]
    refused = by_system(answers, out, lambda each, q: is_refusal(each.replies[q.id].text))
    replied = by_system(answers, within, lambda each, q: _answers(each.replies[q.id].text))
    youden = statistic(
        "Youden's J",
        {name: _youden([*refused[name], *replied[name]], len(out)) for name in answers},
        [range(len(out)), range(len(out), len(questions))],
        seed,
        items=[*out, *within],
    )
    metrics = (
        summarize(Measure("refusal rate", "share", refused, group=OUT, items=out), seed),
        summarize(Measure("answer rate", "share", replied, group=IN, items=within), seed),
        bounded(youden, -1.0),
    )
    return Result(metrics)


def _answers(text: str) -> bool:
    return bool(text) and not is_refusal(text)


def _youden(right: Sequence[float], out: int) -> OfItems:
    """J of any selection of items; the first ``out`` are those to refuse."""
    import numpy as np

    values = np.asarray(right, dtype=float)
    return lambda rows: float(values[rows[rows < out]].mean() + values[rows[rows >= out]].mean() - 1)
