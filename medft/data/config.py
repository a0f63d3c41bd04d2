"""The settings of a data set, one source of rows or a mixture: what conf/dataset/*.yaml is built into."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medft.checked import Count, Name, Seed
from medft.config import did_you_mean, nearest, unknown_key
from medft.data.cleaning_config import CleaningConfig
from medft.data.readers.registry import HUB, READERS
from medft.errors import ConfigError

FIXABLE = ("question", "context", "answer", "label")


@dataclass(frozen=True, slots=True)
class ColumnsConfig:
    """Which column of the source holds what; null where there is none. Dots reach into nested values."""

    id: str | None = None
    """A stable, unique identifier; null: the row number."""
    question: str | tuple[str, ...] | None = None
    """The question, instruction or hypothesis; a list of columns is joined by blank lines."""
    context: str | tuple[str, ...] | None = None
    """A note, passages (a list is joined by blank lines) or a premise."""
    answer: str | tuple[str, ...] | None = None
    """The answer to learn."""
    label: str | None = None
    """The gold class; for multiple choice the letter, number or text of the right option."""
    options: str | tuple[str, ...] | None = None
    """The options of multiple choice: a column with a list or a mapping of letters, or one column each."""
    task: str | None = None
    """A column that names the task of each row; otherwise the data set's `task` applies."""
    group: str | tuple[str, ...] | None = None
    """A document, patient or topic whose rows stay in one split; a list of columns for several."""
    turns: str | None = None
    """A list of {role, content} (or {from, value}) messages; `weight: 0` leaves a turn out of the loss."""
    language: str | None = None
    """A column with the language of each row, as ISO 639-1 code; blank means `dataset.language`."""
    split: str | None = None
    """A column that says train, validation or test for each row."""


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How rows that come without a split are divided: stratified by class, and with related rows kept
    together."""

    validation: float = 0.1
    """Fraction of the rows for validation, 0 to 1."""
    test: float = 0.1
    """Fraction of the rows for test, 0 to 1."""
    tie: tuple[Literal["question", "context", "answer", "group"], ...] | None = None
    """Rows that share one of these stay in one split, and near duplicates with them. null: all four, except
    texts that more rows share than a held-out split has, and instructions over many contexts (both are
    reported). Short answers of a closed set tie nothing."""
    seed: Seed | None = None
    """Seeds the split, and the rows that limits and weights draw. null: the run's seed, so that runs with
    different seeds hold out different rows; a number: all runs hold out the same rows."""

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ConfigError(
                "dataset.split.validation and dataset.split.test must be shares that leave rows to train on",
                where=f"validation={self.validation}, test={self.test}",
                remedy="for example dataset.split.validation=0.1 dataset.split.test=0.1",
            )


@dataclass(frozen=True, slots=True)
class DatasetConfig:
    """A data set: rows from one reader, or a mixture of other data sets (``sources``)."""

    name: Name
    """Names the run folder, and that of the prepared rows."""
    task: str = "qa"
    """Task of every row, unless columns.task says otherwise."""
    language: str = "en"
    """ISO 639-1 code of the texts."""
    license: str = "unknown"
    """SPDX id or plain words; goes on the model card."""
    license_note: str = ""
    """What the license requires, in a sentence: share-alike, non-commercial, never redistribute."""
    homepage: str = ""
    """Web page that describes the data set."""
    obtain: str = ""
    """How to get the file, shown when it is missing."""
    reader: str | None = None
    """Reader of the file format; null for a mixture."""
    path: Path | None = None
    """File, or folder of files (a folder's train/dev/test files keep their split); `samples:NAME` is a
    bundled sample."""
    repo: str | None = None
    """Hub data set id (hub reader)."""
    revision: str | None = None
    """Pinned commit, tag or branch on the hub."""
    config_name: str | None = None
    """Hub configuration, such as pqa_labeled."""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    """Which column means what."""
    fixed: dict[str, str] = field(default_factory=dict)
    """Texts for fields that no column holds (question, context, answer, label), the same in every row."""
    pattern: str | None = None
    """A regular expression whose named groups become columns, for sources with one `text` per example."""
    keep: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Take only rows whose column has one of these values; the others are counted as not_selected."""
    learn: Literal["all", "last"] = "all"
    """Which of the assistant's turns in a conversation are trained on; the others are context."""
    first_option: Literal[0, 1] = 0
    """The number of the first option, where the right one is given by its number."""
    shuffle_options: int | None = None
    """Seed that shuffles the options of each question; null keeps their order. Options that refer to others
    by position or letter are never shuffled, nor is a source's own validation and test split."""
    labels: tuple[str, ...] | dict[str, str] = ()
    """The allowed classes; any other label is an error. Empty allows all. As a map, what the source calls
    them and what they are called in the prompt: {0: contradiction, 1: entailment}."""
    limit: Count | None = None
    """Use this many rows, drawn at random; null uses all."""
    benchmark: str = ""
    """The benchmark whose own test questions all rows are; empty for other data."""
    allow_benchmark_test: bool = False
    """Train on rows that repeat test items of public benchmarks, which are dropped otherwise; reported on
    the model card."""
    decontaminate: Path | None = None
    """A text file of held-out questions, one per line: rows that repeat 13 consecutive words of one, or most
    of a shorter one, are dropped."""
    phi: Literal["warn", "fail", "redact", "off"] = "warn"
    """Identifiers such as dates and phone numbers, as written in English, German, French and Korean: warn
    counts them, fail refuses the row, redact replaces them by [DATE] and the like, off does not look for any
    (the ledger then counts the rows not searched)."""
    names: str | None = None
    """A spaCy model that finds names of people, such as de_core_news_lg (pip install 'medft[names]'); null:
    names are not looked for, and stay."""
    on_error: Literal["stop", "skip"] = "stop"
    """When a row cannot be read: stop and report where, or skip and count it."""
    processes: Count | None = None
    """Processes that clean a large data set; the result is the same. null: one per core."""
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    """Repairs and filters. A mixture's filters apply across its members; repairs belong to each member."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """How rows are divided into train, validation and test."""
    sources: dict[str, DatasetConfig] = field(default_factory=dict)
    """The members of a mixture, by name."""
    weights: dict[str, float] = field(default_factory=dict)
    """Share of each member among the rows drawn, summing to 1; empty draws in proportion to size."""

    def __post_init__(self) -> None:
        if (self.reader is None) == (not self.sources):
            raise ConfigError(
                f"data set '{self.name}' needs exactly one of 'reader' and 'sources'",
                remedy="dataset=csv dataset.path=... for a file of yours, or a mixture with sources",
            )
        self._check_reader()
        self._check_members()
        for name in self.fixed:
            if name not in FIXABLE:
                raise unknown_key(f"dataset.fixed.{name}", [f"dataset.fixed.{known}" for known in FIXABLE])
        self._check_weights()
        self._check_pattern()

    def _check_reader(self) -> None:
        known = [*READERS, HUB]
        if self.reader is not None and self.reader not in known:
            near = nearest(self.reader, known)
            raise ConfigError(
                f"'dataset.reader' cannot be {self.reader!r}" + did_you_mean(near),
                where=self.name,
                remedy=f"choose one of: {', '.join(known)}",
            )

    def _check_members(self) -> None:
        for name, member in self.sources.items():
            where = f"member '{name}' of the mixture '{self.name}'"
            if member.sources:
                what = "a member of a mixture is itself a mixture"
                raise ConfigError(what, where=where, remedy="list its sources one by one")
            for setting in ("decontaminate", "processes"):
                if getattr(member, setting):
                    what = f"{setting} is set for one member of a mixture, but applies to all"
                    raise ConfigError(what, where=where, remedy=f"dataset.{setting}=...")

    def _check_weights(self) -> None:
        for name in self.weights:
            if name not in self.sources:
                raise unknown_key(f"dataset.weights.{name}", [f"dataset.weights.{s}" for s in self.sources])
        if not self.weights:
            return
        missing = [name for name in self.sources if name not in self.weights]
        if missing or min(self.weights.values()) <= 0 or not math.isclose(sum(self.weights.values()), 1):
            given = [f"{name}={w:g}" for name, w in self.weights.items()] + [f"{n} has none" for n in missing]
            equal = " ".join(f"dataset.weights.{name}={1 / len(self.sources):.3g}" for name in self.sources)
            what = "the weights of a mixture must be positive, cover every source and sum to 1"
            where = f"{self.name}: {', '.join(given)}"
            raise ConfigError(what, where=where, remedy=f"for example {equal}")

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise ConfigError(
                f"dataset.pattern is not a valid regular expression: {error}", where=self.name
            ) from None
        if not groups:
            raise ConfigError(
                "dataset.pattern has no named group", where=self.name, remedy="write (?P<question>...)"
            )

    def members(self) -> dict[str, DatasetConfig]:
        """The data sets that are read: those of a mixture by name, or this one alone."""
        return self.sources or {self.name: self}
