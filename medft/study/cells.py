"""The cells of a study, one for each configuration, and its trials: one run of a cell for each seed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medft.compose import compose, group_options
from medft.config import did_you_mean, nearest
from medft.data.readers.registry import HUB, READERS
from medft.errors import ConfigError
from medft.overrides import value_of, written
from medft.runs import RunDir
from medft.study.config import ALL, BASES, VERSUS, StudyConfig, words

TrialState = Literal["finished", "failed", "to do"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration."""

    label: str
    """What it is called: model × data set × template, and what else tells it from the others."""
    model: str
    """Name of the base model."""
    dataset: str
    """Name of the data set."""
    template: str
    """Name of the prompt template."""
    varied: Mapping[str, str]
    """The values of the settings that vary besides."""
    overrides: tuple[str, ...]
    """Its command line after ``medft train``, without the seed."""

    @property
    def base(self) -> str:
        """What its base is called, the control."""
        return f"{self.model}, base"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a cell."""

    cell: Cell
    """The configuration."""
    seed: int
    """Its seed."""
    run: RunDir
    """The folder of its run, there or not."""
    state: TrialState = "to do"
    """How it stands."""
    reason: str = ""
    """Why it failed, or was not started."""
    reused: bool = False
    """Whether the run existed before the study."""


def cells(config: StudyConfig) -> list[Cell]:
    """Every combination of models, data sets, templates and varied settings, each once.

    Raises:
        ConfigError: words for what is no model, data set or template.
    """
    options = group_options(config.own_files)
    known = [name for group in ("model", "dataset", "template") for name in options[group]]
    if strange := [name for name in idle(config) if name not in known]:
        near = nearest(strange[0], known)
        raise ConfigError(
            f"'where' has settings for '{strange[0]}', which is not a model, data set or template"
            + did_you_mean(near),
            where=config.name,
        )
    axes = (config.models, config.datasets, config.templates, *config.vary.values())
    found = (_cell(config, *map(_word, combination)) for combination in itertools.product(*axes))
    return list({cell.overrides: cell for cell in found}.values())


def idle(config: StudyConfig) -> list[str]:
    """The names under ``where`` that the study does not have, whose words have no effect."""
    return [
        name for name in config.where if name not in (*config.models, *config.datasets, *config.templates)
    ]


def trials(config: StudyConfig, of: Sequence[Cell]) -> Iterator[tuple[Cell, int, tuple[str, ...]]]:
    """Every cell with every seed, and the command line of that run."""
    for cell, seed in itertools.product(of, config.seeds):
        yield cell, seed, (*cell.overrides, f"seed={seed}", f"dataset.split.seed={config.split_seed}")


def comparisons(config: StudyConfig, of: Sequence[Cell]) -> list[tuple[str, str]]:
    """The pairs that are compared, by label: first and second, whose difference is second less first.

    Raises:
        ConfigError: a pair names a cell that the study does not have.
    """
    bases = [(cell.base, cell.label) for cell in of]
    if config.compare == BASES:
        return bases
    if config.compare == ALL:
        return [*bases, *((a.label, b.label) for a, b in itertools.combinations(of, 2))]
    asked = (config.compare,) if isinstance(config.compare, str) else config.compare
    pairs = [(first.strip(), second.strip()) for first, _, second in (p.partition(VERSUS) for p in asked)]
    known = {name for cell in of for name in (cell.label, cell.base)}
    for name in itertools.chain.from_iterable(pairs):
        if name not in known:
            raise ConfigError(
                f"'compare' names '{name}', which is not a cell of the study",
                where=config.name,
                remedy=f"cells: {'; '.join(sorted(known))}",
            )
    return pairs


def _cell(config: StudyConfig, model: str, dataset: str, template: str, *values: str) -> Cell:
    varied = dict(zip(config.vary, values, strict=True))
    own = [word for name in (model, dataset, template) for word in words(config.where.get(name, ()))]
    typed = (
        f"model={model}", f"dataset={dataset}", f"template={template}", *_place(config, dataset),
        *words(config.settings), *own, *(f"{key}={value}" for key, value in varied.items()),
        written("artifacts", config.artifacts), written("processed", config.processed), *config.own_files,
    )  # fmt: skip
    template = value_of(typed, "template") or template
    title = " × ".join((model, dataset, template))
    label = ", ".join((title, *(f"{key}={value}" for key, value in varied.items())))
    kept = {word: None for word in typed if not word.startswith("template=")}
    return Cell(label, model, dataset, template, varied, (*kept, f"template={template}"))


def _place(config: StudyConfig, dataset: str) -> list[str]:
    """The words that read a data set from where the study says it lies; a file in place of a hub's data set
    is read by its name.

    Raises:
        ConfigError: nothing reads such a file.
    """
    if dataset not in config.paths:
        return []
    path = config.paths[dataset]
    known = [written("dataset.path", path)]
    if _reader(dataset, config.own_files) != HUB:
        return known
    for name, reader in READERS.items():
        if reader.takes(path.name):
            return [*known, f"dataset.reader={name}", "dataset.repo=null", "dataset.revision=null"]
    raise ConfigError(
        f"'{dataset}' is a data set of the hub, and no reader takes such a file in its place",
        where=str(path),
        remedy=f"a csv, jsonl or parquet file of its columns, or where.{dataset}='dataset.reader=...'",
    )


@functools.cache
def _reader(dataset: str, own_files: tuple[str, ...]) -> str | None:
    reader: str | None = compose("train", [f"dataset={dataset}", *own_files])["dataset"].get("reader")
    return reader


def _word(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value
