"""The settings of a data set: one source of rows, or a mixture of data sets.

Owns the classes that conf/dataset/*.yaml is built into. Knows nothing of how sources are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medft.errors import ConfigError

Reader = Literal["csv", "jsonl", "parquet", "hub", "text", "medquad_xml", "pubmedqa_json"]


@dataclass(frozen=True, slots=True)
class ColumnsConfig:
    """Which column of the source holds what; null where it has none. Dots reach into nested values."""

    id: str | None = None
    """A stable identifier; the row number when null."""
    question: str | None = None
    """The question, instruction or hypothesis."""
    context: str | None = None
    """A note, passages (a list is joined by blank lines) or a premise."""
    answer: str | None = None
    """The answer to learn."""
    label: str | None = None
    """The gold class."""
    task: str | None = None
    """A column that names the task row by row; otherwise the data set's `task` holds."""
    group: str | None = None
    """A document, patient or topic that must not be split."""
    turns: str | None = None
    """A list of {role, content} (or {from, value}) messages."""


@dataclass(frozen=True, slots=True)
class CleaningConfig:
    """Which repairs and filters run; each drop is counted in the ledger under its own reason."""

    drop_blank_answers: bool = True
    """Drop rows without an answer (or question)."""
    drop_leftovers: bool = True
    """Drop answers in which a rephrasing model asks for its input instead of answering."""
    max_same_answer: int | None = 5
    """Keep at most this many rows with one and the same answer (boilerplate); null keeps all."""
    near_duplicates: Literal["keep_together", "drop", "off"] = "keep_together"
    """MinHash near duplicates: in one split, dropped but for the first, or not looked for."""


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How rows without a split of their own are divided, by group."""

    validation: float = 0.1
    """Share of the rows for validation, 0 to 1."""
    test: float = 0.1
    """Share of the rows for test, 0 to 1."""

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

    name: str
    """Names the run folder."""
    task: str = "qa"
    """Task of every row, unless columns.task says otherwise."""
    language: str = "en"
    """ISO 639-1 code of the texts."""
    licence: str = "unknown"
    """SPDX id or plain words; goes on the model card."""
    licence_note: str = ""
    """What follows from the licence, in a sentence: share-alike, non-commercial, never redistribute."""
    homepage: str = ""
    """Where the data set is described."""
    reader: Reader | None = None
    """How to read it; null for a mixture."""
    path: Path | None = None
    """File or folder (csv, jsonl, parquet, text, xml, json readers)."""
    repo: str | None = None
    """Hub data set id (hub reader)."""
    revision: str | None = None
    """Pinned commit, tag or branch on the hub."""
    config_name: str | None = None
    """Hub configuration, such as pqa_labeled."""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    """Which column means what."""
    limit: int | None = None
    """Take this many rows, drawn by seed; null takes all."""
    on_error: Literal["stop", "skip"] = "stop"
    """A row that cannot be read: stop with its place, or skip and count it."""
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    """Repairs and filters."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Shares of validation and test."""
    sources: dict[str, DatasetConfig] = field(default_factory=dict)
    """The members of a mixture, by name."""
    weights: dict[str, float] = field(default_factory=dict)
    """Share of each member among the rows drawn (with `limit`); empty draws in proportion to size."""

    def __post_init__(self) -> None:
        if (self.reader is None) == (not self.sources):
            raise ConfigError(
                f"data set '{self.name}' must have either a reader or sources, not both and not none",
                remedy="dataset=csv dataset.path=... for a file of yours, or a mixture with sources",
            )
