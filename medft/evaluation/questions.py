"""Records -> questions: which items a suite has, how they are worded, and the reference of each answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from medft.data.cleaning import keys
from medft.data.cleaning.benchmarks import benchmark_of
from medft.data.config import DatasetConfig
from medft.data.readers.columns import check_columns, selected, split_of, to_record
from medft.data.readers.rows import RowError
from medft.data.readers.sources import read_rows
from medft.data.record import Message, Record
from medft.errors import DataError, PromptError
from medft.evaluation.config import SuiteConfig
from medft.prompt.config import TemplateConfig, WordingConfig
from medft.prompt.template import fill, wording

SEEN = "its question is in the run's training data"


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a suite."""

    id: str
    """Unique within the suite, stable between runs."""
    prompt: tuple[Message, ...]
    """The conversation up to the answer."""
    reference: str
    """The gold answer or label."""
    candidates: tuple[str, ...] = ()
    """Answers whose likelihood is taken: the gold one, or one per label."""
    group: str = ""
    """The part of the suite it belongs to: a task, or a condition."""
    cluster: str = ""
    """What it shares with other questions, so that their answers are no independent items; empty for none."""
    options: tuple[str, ...] = ()
    """The texts to choose from, of multiple choice."""
    generated: bool = True
    """Whether an answer is generated; without, the likelihoods of the candidates alone are taken."""


@dataclass(frozen=True, slots=True)
class Items:
    """The records of a suite, and what was left out."""

    records: tuple[Record, ...]
    """In a stable order."""
    pool: tuple[Record, ...]
    """All rows that were read, asked or not: what a retrieval searches."""
    left_out: dict[str, int]
    """Rows not asked, by reason."""
    examples: tuple[Record, ...] = ()
    """Rows to choose examples in the prompt from: the training split of the suite's data set, or its
    validation split where it has no other."""


def collect(config: SuiteConfig, own: Iterable[Record], trained_on: Iterable[Record], seed: int) -> Items:
    """The records that a suite asks about.

    Args:
        config: the suite.
        own: the run's own test split, used when the suite has no data set.
        trained_on: the run's training split; what is asked in it is left out of any other data set.
        seed: draws ``config.limit`` of them.

    Raises:
        DataError: the data cannot be read, or nothing is left to ask.
    """
    left_out: Counter[str] = Counter()
    if config.dataset is None:
        pool = list(trained_on if config.split == "train" else own)
        records = [record for record in pool if _askable(record, config, set(), left_out)]
    else:
        seen = {keys.keys_of(record).question for record in trained_on}
        pool = list(_read(config.dataset, ("", config.split), left_out))
        records = [record for record in pool if _askable(record, config, seen, left_out)]
    if config.limit is not None and len(records) > config.limit:
        left_out[f"limit={config.limit}"] = len(records) - config.limit
        chosen = sorted(random.Random(seed).sample(range(len(records)), config.limit))  # noqa: S311
        records = [records[i] for i in chosen]
    if not records:
        reasons = "; ".join(f"{n} {reason}" for reason, n in left_out.items())
        raise DataError(
            "there are no questions",
            where=reasons or "the run's test split is empty",
            remedy="see dataset.split",
        )
    return Items(tuple(records), tuple(pool), dict(left_out), _examples(config))


def _examples(config: SuiteConfig) -> tuple[Record, ...]:
    if not config.shots or config.dataset is None:
        return ()
    splits = [split for split in ("train", "validation") if split != config.split]
    found = (tuple(_read(config.dataset, (split,), Counter())) for split in splits)
    if not (rows := next(filter(None, found), ())):
        raise DataError(
            "the suite's data set has no training rows to take examples from",
            where=config.dataset.name,
            remedy="suite.<name>.shots=0 asks without examples",
        )
    return rows


def words_for(record: Record, template: TemplateConfig, other: TemplateConfig | None) -> WordingConfig:
    """The wording of the run's template for the record's task, or the suite's where it has none.

    Raises:
        PromptError: neither has one.
    """
    chosen = template if record.task in template.tasks or other is None else other
    return wording(chosen, record.task, record.language, bool(record.context.strip()))


def prompt(record: Record, words: WordingConfig) -> tuple[Message, ...]:
    """The conversation up to the answer; exactly what training puts before it.

    Raises:
        PromptError: a field that the wording needs is empty.
    """
    if record.turns:
        system = (Message("system", words.system),) if words.system else ()
        turns = record.turns[:-1]
        return turns if turns[0].role == "system" else (*system, *turns)
    wanted = WordingConfig(user=words.user, system=words.system, assistant="")
    for name in sorted(wanted.fields()):
        if not getattr(record, name).strip():
            raise PromptError(
                f"the wording of task '{record.task}' needs '{name}'",
                where=f"record {record.id} has none",
                remedy="map a column to it, or choose another wording",
            )
    user = Message("user", fill(words.user, record))
    return (Message("system", fill(words.system, record)), user) if words.system else (user,)


def answer_text(record: Record, words: WordingConfig) -> str:
    """The answer that training would learn from the record."""
    return record.turns[-1].content if record.turns else fill(words.assistant, record)


def label_text(record: Record, label: str, words: WordingConfig) -> str:
    """The answer that names ``label``, in the words of the template and without any explanation."""
    explained = "{label}" in words.assistant
    return fill(words.assistant, replace(record, label=label, answer="" if explained else label))


def _askable(record: Record, config: SuiteConfig, seen: set[int], left_out: Counter[str]) -> bool:
    if config.labels and not record.label:
        left_out["no label"] += 1
    elif config.only_benchmark_test and benchmark_of(record) is None:
        left_out["not in the benchmark's test split"] += 1
    elif keys.keys_of(record).question in seen:
        left_out[SEEN] += 1
    else:
        return True
    return False


def training_records(config: SuiteConfig, trained_on: Iterable[Record]) -> list[Record]:
    """What a classifier may train on: the training rows of the suite's data set where it comes split, or the
    run's own labelled training records."""
    if config.dataset is None:
        return [record for record in trained_on if record.label]
    return list(_read(config.dataset, ("train",), Counter()))


def _read(config: DatasetConfig, splits: tuple[str, ...], left_out: Counter[str]) -> Iterator[Record]:
    """The rows of a data set that its source puts in one of ``splits`` ("" where it says nothing), as the
    source has them: a benchmark is not cleaned."""
    for name, member in config.members().items():
        for number, row in enumerate(check_columns(read_rows(member), member), 1):
            try:
                if isinstance(row, RowError):
                    raise row
                if not selected(row, member):
                    left_out["not selected by dataset.keep"] += 1
                elif split_of(row, member) not in splits:
                    left_out["in another split of the source"] += 1
                else:
                    yield to_record(row, number, name, member)
            except RowError as error:
                if member.on_error == "stop":
                    raise
                left_out[error.reason] += 1
