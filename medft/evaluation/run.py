"""One suite from its settings to its files: opened before any model is loaded, asked system by system,
finished."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict, replace
from typing import Protocol

from medft.aliases import Json, NamedProgress
from medft.engine.device import in_memory
from medft.errors import DataError, MedftError
from medft.evaluation import encoder, harness, leaks
from medft.evaluation.answers import digest
from medft.evaluation.asking import Answers, System, ask
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Account, Context
from medft.evaluation.encoder import Baseline
from medft.evaluation.harness_tasks import open_harness
from medft.evaluation.measures import bounded, summarize
from medft.evaluation.questions import Items, Question, collect, training_records
from medft.evaluation.suites import kind_called
from medft.evaluation.suites.base import Result, common

ENCODER = "encoder"
FREE_TEXT = ("text", "safety")
"""Kinds whose answers are sentences, in which training answers and identifiers may stand."""


class Suite(Protocol):
    """A suite that can be asked."""

    def ask(self, system: System, progress: NamedProgress) -> None:
        """Let one system answer; what was answered before is not asked again."""

    def finish(self, progress: NamedProgress) -> Json:
        """Score the answers of all systems and write <suite>.json (of merged weights <suite>.merged.json)."""


def open_suite(name: str, config: SuiteConfig, context: Context) -> Suite:
    """Read a suite's items and word its questions.

    Raises:
        DataError, PromptError, ConfigError: they cannot be read or worded.
    """
    kind = HarnessSuite if config.kind == "harness" else QuestionSuite
    try:
        return kind(name, config, context)
    except MedftError as error:  # whoever raised it did not know which suite its settings belong to
        error.remedy = re.sub(r"(?<![\w.])(?=(dataset|harness)\.\w+=)", f"suite.{name}.", error.remedy)
        raise


class QuestionSuite:
    """A suite of medft's own."""

    def __init__(self, name: str, config: SuiteConfig, context: Context) -> None:
        self.name, self.config, self.context = name, config, context
        self.items: Items = collect(config, context.own, context.seen, context.seed)
        self.asked = kind_called(config.kind).ask(config, self.items, context.template)
        self.answers: dict[str, Answers] = {}
        self._baseline: Baseline | None = None
        if config.encoder is not None:
            train = training_records(config, context.trained_on)
            self._baseline = encoder.open_baseline(config.encoder, train, config.labels)
        self._file = context.answers(name)
        self._sampling = replace(context.sampling, max_new_tokens=config.max_new_tokens)

    def ask(self, system: System, progress: NamedProgress) -> None:
        """See ``Suite``."""
        named = _named(self.name, progress)
        answers = ask(system, self.asked.questions, self._sampling, self._file, named)
        if not answers.replies:
            raise DataError(
                f"no item of the suite '{self.name}' fits the model",
                where="; ".join(sorted(set(answers.not_asked.values()))),
                remedy="raise context, or lower the suite's max_new_tokens",
            )
        self.answers[system.name] = answers

    def finish(self, progress: NamedProgress) -> Json:
        """See ``Suite``; an encoder baseline is trained first."""
        extras: dict[str, object] = dict(self.asked.extras)
        if self._baseline is not None:
            self.answers[ENCODER], extras["encoder baseline"] = self._encoder(self._baseline, progress)
        score = kind_called(self.config.kind).score
        result = score(self.config, self.asked, self.answers, self.context.seed)
        if self.config.kind in FREE_TEXT:
            result, given_away = self._given_away(result)
            extras |= given_away
        self._file.keep(self._about_answers(result))
        left_out = {**self.items.left_out, **self._not_asked()}
        prompts = digest(*([asdict(turn) for turn in q.prompt] for q in self.asked.questions))[:12]
        notes = [*self.asked.notes, *self._cut_answers(), f"Prompts: {prompts} (digest of all their words)."]
        return self.context.write(
            self.name,
            self.config,
            Account(len(self.items.records), left_out, notes),
            metrics=result.metrics,
            extras={**extras, **result.extras},
            sampling=asdict(self._sampling),
        )

    def _given_away(self, result: Result) -> tuple[Result, Json]:
        """The result with what the answers repeat of the training answers, and identifiers in them."""
        extras: Json = {"identifiers in generated answers": leaks.identifiers(self.answers)}
        if not self.context.trained_on:
            return result, extras
        questions = [q for q in common(self.asked.questions, self.answers) if q.generated]
        runs = leaks.of_training(self.context.trained_on, questions, self.answers)
        found = replace(
            result, metrics=(*result.metrics, bounded(summarize(runs, self.context.seed), high=math.inf))
        )
        memorized = {system: sum(n >= leaks.LONG for n in each) for system, each in runs.values.items()}
        return found, {
            **extras,
            f"answers with {leaks.LONG} consecutive words of a training answer": memorized,
        }

    def _encoder(self, baseline: Baseline, progress: NamedProgress) -> tuple[Answers, Json]:
        """Its predictions, and what to say of its training; trained only where they are not on disk."""
        records, questions, seed = self.items.records, self.asked.questions, self.context.seed
        keys = [baseline.key(record, seed) for record in records]
        if any(self._file.get(key) is None for key in keys):
            lower = f"lower suite.{self.name}.encoder.batch_size or suite.{self.name}.encoder.max_length"
            with in_memory("while training the encoder", lower):
                predicted, training = encoder.predict(baseline, records, seed, _named(self.name, progress))
            about = {"system": ENCODER, "kind": "predicted", "training": training}
            self._file.add(
                {key: {**about, "text": label} for key, label in zip(keys, predicted, strict=True)}
            )
        rows = [self._file.get(key) or {} for key in keys]
        answers = encoder.as_answers(questions, [row["text"] for row in rows], baseline.labels)
        answers.keys = [(key, question.id) for key, question in zip(keys, questions, strict=True)]
        return answers, rows[0]["training"]

    def _cut_answers(self) -> list[str]:
        """How many generated answers came to no end of their own."""
        cut = {
            name: sum(not reply.stopped for reply in each.replies.values())
            for name, each in self.answers.items()
        }
        count = ", ".join(f"{name} {n:,}" for name, n in cut.items() if n)
        limit = self._sampling.max_new_tokens
        return [f"Answers cut at {limit} tokens (max_new_tokens): {count}."] if count else []

    def _not_asked(self) -> dict[str, int]:
        reasons: dict[str, str] = {}
        for each in self.answers.values():
            reasons |= each.not_asked
        return dict(Counter(reasons.values()))

    def _about_answers(self, result: Result) -> list[tuple[str, Json]]:
        """Per key and line of the answers file, the question and the gold answer that it belongs to, and what
        the answer scored."""
        questions = {question.id: _about(question) for question in self.asked.questions}
        scores = _scores(result)
        return [
            (
                key,
                {
                    **questions[item],
                    "scores": scores.get((system, item), {}),
                    "read": result.read.get(system, {}).get(item, ""),
                },
            )
            for system, each in self.answers.items()
            for key, item in each.keys
        ]


class HarnessSuite:
    """Tasks of lm-evaluation-harness."""

    def __init__(self, name: str, config: SuiteConfig, context: Context) -> None:
        assert config.harness is not None  # noqa: S101
        self.name, self.config, self.context = name, config, context
        self._harness = open_harness(config.harness, context.folder / name)
        self._file = context.answers(name)
        self._results: dict[str, harness.HarnessResult] = {}

    def ask(self, system: System, progress: NamedProgress) -> None:
        """See ``Suite``."""
        named = _named(self.name, progress)
        named(
            f"{system.name} in lm-evaluation-harness", 0, 0
        )  # it reads its tasks first, which takes a while
        with in_memory("while answering", f"lower suite.{self.name}.harness.batch_size, or context"):
            self._results[system.name] = harness.ask(
                self._harness, system, self.config.limit, self.context.seed, self._file, named
            )

    def finish(self, progress: NamedProgress) -> Json:
        """See ``Suite``."""
        metrics = harness.task_metrics(self._results, self.context.seed)
        self._file.keep([pair for each in self._results.values() for pair in each.lines.items()])
        notes = harness.described(self._harness)
        if self.config.limit:
            notes.append(f"The first {self.config.limit} items of each task.")
        if cut := max(each.cut for each in self._results.values()):
            notes.append(f"{cut:,} requests were longer than the model takes; their beginning was cut.")
        first = next(iter(self._results.values()))
        asked = sum(len(next(iter(by.values()))) for by in first.scores.values() if by)
        return self.context.write(
            self.name,
            self.config,
            Account(asked, {}, notes),
            metrics=metrics,
            extras=harness.majority_baselines(
                line for each in self._results.values() for line in each.lines.values()
            ),
            sampling=None,
        )


def _named(suite: str, progress: NamedProgress) -> NamedProgress:
    """``progress`` with the suite's name before what is being done."""
    return lambda what, done, total: progress(f"{suite}: {what}", done, total)


def _about(question: Question) -> dict[str, str]:
    return {
        "item": question.id,
        "group": question.group,
        "question": question.prompt[-1].content,
        "gold": question.reference,
    }


def _scores(result: Result) -> dict[tuple[str, str], dict[str, float]]:
    """By system and item, the metrics that are means of items."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for metric in result.metrics:
        measure = metric.per_item
        if measure is None or measure.kind == "influence":
            continue
        for system, values in measure.values.items():
            for item, value in zip(measure.items, values, strict=True):
                found.setdefault((system, item.id), {})[metric.name] = float(value)
    return found
