"""The same questions with gold, retrieved and no context, and how well the retrieval finds the gold one.

Owns the three conditions and the retrieval figures. Labels are read as in ``labels``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from medft.data.record import Record
from medft.errors import ConfigError
from medft.evaluation.asking import Answered
from medft.evaluation.config import RetrievalConfig, SuiteConfig
from medft.evaluation.questions import Items, Question, label_text, prompt, words_for
from medft.evaluation.suites import labels
from medft.evaluation.suites.base import Asked, Result, wording_note
from medft.inference.documents import Passage
from medft.inference.retrieve import Hit, build_index
from medft.prompt.config import TemplateConfig

DEPTH = 10
"""Ranks looked at for the mean reciprocal rank."""


def ask(config: SuiteConfig, items: Items, template: TemplateConfig) -> Asked:
    """Three questions per record: with its own context, with the passages found for it, and without any."""
    retrieval = config.retrieval or RetrievalConfig()
    records = items.records
    passages = [Passage(record.id, record.context) for record in records]
    index = build_index(retrieval.index, passages, retrieval.embedder)
    hits = index.search([record.question for record in records], max(retrieval.k, DEPTH))
    questions: list[Question] = []
    for record, found in zip(records, hits, strict=True):
        for condition, context in _contexts(record, found[: retrieval.k]).items():
            questions.append(_question(config, replace(record, context=context), condition, template))
    notes = (
        wording_note(config, records, template),
        f"Retrieved context: the {retrieval.k} best of {len(passages):,} contexts by {retrieval.index}.",
    )
    return Asked(tuple(questions), notes, {"retrieval": retrieved([r.id for r in records], hits)})


def retrieved(wanted: Sequence[str], hits: Sequence[Sequence[Hit]]) -> dict[str, Any]:
    """Share of questions whose own document is first, among the first five and the first ten, and the mean
    reciprocal rank within the first ten (0 where it is not among them)."""
    ranks = [
        next((rank for rank, hit in enumerate(found[:DEPTH], 1) if hit.passage.source == source), None)
        for source, found in zip(wanted, hits, strict=True)
    ]
    n = len(ranks)
    recall = {f"recall@{k}": sum(r is not None and r <= k for r in ranks) / n for k in (1, 5, 10)}
    return {**recall, f"MRR@{DEPTH}": sum(1 / r for r in ranks if r) / n, "questions": n}


def score(config: SuiteConfig, asked: Asked, answered: Mapping[str, Answered], seed: int) -> Result:
    """The figures of ``labels`` for each condition."""
    return labels.score(config, asked, answered, seed)


def _contexts(record: Record, found: Sequence[Hit]) -> dict[str, str]:
    passages = "\n\n".join(hit.passage.text for hit in found)
    return {"gold context": record.context, "retrieved context": passages, "no context": ""}


def _question(config: SuiteConfig, record: Record, condition: str, template: TemplateConfig) -> Question:
    if record.label not in config.labels:
        raise ConfigError(
            "an item has a label that the suite does not know",
            where=f"record {record.id}; the suite knows {', '.join(config.labels)}",
        )
    words = words_for(record, template, config.wording)
    if not record.context:  # nothing was found, or nothing is given: the words that lead up to it go as well
        words = replace(words, user=without_context(words.user))
    texts = tuple(label_text(record, label, words) for label in config.labels)
    return Question(f"{condition}/{record.id}", prompt(record, words), record.label, texts, condition)


def without_context(user: str) -> str:
    """A user wording without its paragraph about the context.

    Raises:
        ConfigError: the context shares a paragraph with the question, so that it cannot be left out.
    """
    kept = [paragraph for paragraph in user.split("\n\n") if "{context}" not in paragraph]
    if not any("{question}" in paragraph for paragraph in kept):
        raise ConfigError(
            "this wording cannot leave its context out, as the condition without context needs",
            where="the paragraph with {context} also holds {question}",
            remedy="put {context} and its heading in a paragraph of their own",
        )
    return "\n\n".join(kept)
