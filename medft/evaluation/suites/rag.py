"""The same questions with gold, retrieved and no context, and how well the retrieval finds the gold one.

Labels are read as in ``labels``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from medft.aliases import Json
from medft.data.clusters import clusters
from medft.data.record import Record
from medft.evaluation.asking import Answers
from medft.evaluation.config import RetrievalConfig, SuiteConfig
from medft.evaluation.measures import Measure, Metric, summarize
from medft.evaluation.questions import Items, Question, label_text, prompt, words_for
from medft.evaluation.suites import labels
from medft.evaluation.suites.base import QuestionSet, Result, common, demand_label, groups, wording_note
from medft.inference.documents import Hit, Passage
from medft.inference.retrieve import build_index
from medft.prompt.config import TemplateConfig

DEPTH = 10
"""Ranks looked at for the mean reciprocal rank."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> QuestionSet:
    """Three questions per record: with its own context, with the passages found for it, and without any."""
    retrieval = config.retrieval or RetrievalConfig()
    passages = [Passage(record.id, record.context) for record in items.pool]
    index = build_index(retrieval.index, passages, retrieval.embedder)
    hits = index.search([record.question for record in items.pool], max(retrieval.k, DEPTH))
    found = {record.id: row for record, row in zip(items.pool, hits, strict=True)}
    questions: list[Question] = []
    for record, cluster in zip(items.records, clusters(items.records), strict=True):
        for condition, context in _contexts(record, found[record.id][: retrieval.k]).items():
            asked = _question(config, replace(record, context=context), condition, template)
            questions.append(replace(asked, cluster=cluster))
    notes = (
        wording_note(config, items.records, template),
        f"Retrieved context: the {retrieval.k} best of {len(passages):,} contexts by {retrieval.index}.",
    )
    return QuestionSet(tuple(questions), notes, {"retrieval": retrieved([r.id for r in items.pool], hits)})


def retrieved(wanted: Sequence[str], hits: Sequence[Sequence[Hit]]) -> Json:
    """Share of questions whose own document is first, among the first five and the first ten, and the mean
    reciprocal rank within the first ten (0 where it is not among them)."""
    ranks = [
        next((rank for rank, hit in enumerate(found[:DEPTH], 1) if hit.passage.source == source), None)
        for source, found in zip(wanted, hits, strict=True)
    ]
    n = len(ranks)
    recall = {f"recall@{k}": sum(r is not None and r <= k for r in ranks) / n for k in (1, 5, 10)}
    return {**recall, f"MRR@{DEPTH}": sum(1 / r for r in ranks if r) / n, "questions": n}


def score(config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int) -> Result:
    """The metrics of ``labels`` for each condition, and of each system the conditions against each other."""
    result = labels.score(config, asked, answers, seed)
    return replace(result, metrics=(*result.metrics, *_between(config, asked, answers, seed)))


def _between(
    config: SuiteConfig, asked: QuestionSet, answers: Mapping[str, Answers], seed: int
) -> Iterator[Metric]:
    """Accuracy by condition, on the records that were asked under all of them: what the context is worth."""
    parts = groups(common(asked.questions, answers))
    by_record = {
        name: {q.id.removeprefix(f"{name}/"): q for q in part} for name, part in parts.items() if name
    }
    records = [
        record for record in next(iter(by_record.values())) if all(record in q for q in by_record.values())
    ]
    rows = {name: [of[record] for record in records] for name, of in by_record.items()}
    items = [replace(q, id=record) for record, q in zip(records, next(iter(rows.values())), strict=True)]
    for system, each in answers.items():
        read = {
            name: dict(labels.readings(config.labels, part, {system: each})) for name, part in rows.items()
        }
        for way in next(iter(read.values())):
            hits = {
                name: [label == q.reference for label, q in zip(read[name][way][system], part, strict=True)]
                for name, part in rows.items()
            }
            measure = Measure(f"accuracy, {way}", "share", hits, group=f"{system} by context", items=items)
            yield summarize(measure, seed)


def _contexts(record: Record, found: Sequence[Hit]) -> dict[str, str]:
    passages = "\n\n".join(hit.passage.text for hit in found)
    return {"gold context": record.context, "retrieved context": passages, "no context": ""}


def _question(config: SuiteConfig, record: Record, condition: str, template: TemplateConfig) -> Question:
    demand_label(config, record)
    words = words_for(record, template, config.template)
    bare = config.retrieval.without_context if config.retrieval else None
    if not record.context and bare is not None:  # nothing is given, or nothing was found
        words = bare
    texts = tuple(label_text(record, label, words) for label in config.labels)
    name = f"{condition}/{record.id}"
    return Question(name, prompt(record, words), record.label, texts, condition)
