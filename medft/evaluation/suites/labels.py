"""One class of several: natural language inference, yes/no/maybe.

A label is read off a language model in two ways. By likelihood, it is the label whose answer text has the
greatest log-probability after the prompt, summed over its tokens, the stop token left out and without
normalising by length, as accuracy is scored in lm-evaluation-harness; a label that begins another one's text
would be favoured, so that is refused. By generation, it is read strictly (``parsing``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from medft.aliases import Json
from medft.data.clusters import clusters
from medft.errors import ConfigError
from medft.evaluation import calibration, metrics
from medft.evaluation.asking import Answers
from medft.evaluation.calibration import Belief
from medft.evaluation.config import SuiteConfig
from medft.evaluation.measures import Measure, Metric, bounded, statistic, summarize
from medft.evaluation.parsing import parse_label
from medft.evaluation.questions import Items, Question, label_text, prompt, words_for
from medft.evaluation.suites.base import (
    QuestionSet,
    Result,
    common,
    demand_label,
    groups,
    read_as,
    wording_note,
)
from medft.prompt.config import TemplateConfig

GENERATED = "generated"
Predictions = Mapping[str, Sequence[str]]
"""One label per question of each system."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """One question per record, with one candidate answer per label.

    Raises:
        ConfigError: a record's label is not among the suite's, or one label's text begins another's.
    """
    questions = []
    for record, cluster in zip(items.records, clusters(items.records), strict=True):
        demand_label(config, record)
        words = words_for(record, template, config.template)
        texts = tuple(label_text(record, label, words) for label in config.labels)
        questions.append(Question(record.id, prompt(record, words), record.label, texts, cluster=cluster))
    _demand_no_prefix(questions[0].candidates)
    return QuestionSet(tuple(questions), (wording_note(config, items.records, template),))


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """Accuracy, macro F1 and confusion by likelihood and by generation, per group where there are several."""
    found: list[Metric] = []
    extras: dict[str, object] = {}
    questions = common(asked.questions, answers)
    for group, part in groups(questions).items():
        name = group if len(groups(questions)) > 1 else ""
        if name == "" and len(groups(questions)) > 1:
            continue  # all conditions together mean nothing
        before = f"{name}: " if name else ""
        gold = [q.reference for q in part]
        for way, predictions in readings(config.labels, part, answers):
            found += classified(config.labels, part, predictions, way, seed, name)
            extras[before + way] = confusions(config.labels, gold, predictions)
            if way == GENERATED:
                extras |= _other_macro_f1(before, gold, predictions)
        beliefs = _beliefs(config.labels, part, answers)
        if beliefs:
            found += calibration.metrics(beliefs, part, seed, name)
            extras |= calibration.extras(beliefs, seed, before)
        extras[f"{before}majority baseline"] = metrics.majority_share(gold)
    read = _each(answers, questions, lambda each, q: parse_label(each.replies[q.id].text, config.labels))
    return Result(tuple(found), extras, read_as(questions, read))


def readings(
    labels: Sequence[str], questions: Sequence[Question], answers: Mapping[str, Answers]
) -> Iterator[tuple[str, Predictions]]:
    """The predicted labels, by likelihood and by generation."""
    yield "likelihood", _each(answers, questions, lambda each, q: most_likely(labels, each, q))
    yield (
        GENERATED,
        _each(answers, questions, lambda each, q: parse_label(each.replies[q.id].text, labels)),
    )


def most_likely(labels: Sequence[str], answers: Answers, question: Question) -> str:
    """The label whose answer is the most probable; the first of equals."""
    nats = [likelihood.answer_nats for likelihood in answers.likelihoods[question.id]]
    return labels[nats.index(min(nats))]


def classified(
    labels: Sequence[str],
    questions: Sequence[Question],
    predictions: Predictions,
    way: str,
    seed: int,
    group: str = "",
) -> Iterator[Metric]:
    """Accuracy, macro F1 and, for generated text, the share without a label."""
    gold = [question.reference for question in questions]
    hits = {s: [a == b for a, b in zip(gold, guesses, strict=True)] for s, guesses in predictions.items()}
    yield summarize(Measure(f"accuracy, {way}", "share", hits, group=group, items=questions), seed)
    of = {system: metrics.MacroF1(gold, guesses, labels) for system, guesses in predictions.items()}
    yield bounded(statistic(f"macro F1, {way}", of, [range(len(gold))], seed, group, items=questions))
    if way == GENERATED:
        lost = {s: [label == metrics.UNPARSABLE for label in guesses] for s, guesses in predictions.items()}
        yield summarize(Measure("unparsable", "share", lost, None, False, group, questions), seed)


def confusions(labels: Sequence[str], gold: Sequence[str], predictions: Predictions) -> Json:
    """The confusion matrix of each system: a row per gold label, a column per label and one for
    unparsable."""
    return {
        "rows": list(labels),
        "columns": [*labels, metrics.UNPARSABLE],
        "counts": {
            system: metrics.confusion(gold, guesses, labels) for system, guesses in predictions.items()
        },
    }


def _other_macro_f1(before: str, gold: Sequence[str], predictions: Predictions) -> Json:
    """Macro F1 of generated answers as PubMedQA's evaluation.py and scikit-learn have it, where that is
    another figure: with a class more, whose F1 is 0, as soon as an answer is unparsable."""
    from sklearn.metrics import f1_score

    lost = any(metrics.UNPARSABLE in guesses for guesses in predictions.values())
    name = f"{before}macro F1, generated, with unparsable answers as a class of their own"
    scores = {s: float(f1_score(gold, each, average="macro")) for s, each in predictions.items()}
    return {name: scores} if lost else {}


def _beliefs(
    labels: Sequence[str], questions: Sequence[Question], answers: Mapping[str, Answers]
) -> dict[str, list[Belief]]:
    """What the likelihoods of the labels say, of the systems that have any of their own."""
    return {
        name: [
            calibration.belief([x.answer_nats for x in each.likelihoods[q.id]], labels.index(q.reference))
            for q in questions
        ]
        for name, each in answers.items()
        if each.probabilities
    }


def _each(
    answers: Mapping[str, Answers], questions: Sequence[Question], read: Callable[[Answers, Question], str]
) -> dict[str, list[str]]:
    return {name: [read(each, question) for question in questions] for name, each in answers.items()}


def _demand_no_prefix(texts: Sequence[str]) -> None:
    for one, other in itertools.permutations(texts, 2):
        if other.startswith(one):
            raise ConfigError(
                f"the answer '{one}' begins the answer '{other}', which would always be the less likely one",
                remedy="choose labels so that none is the beginning of another",
            )
