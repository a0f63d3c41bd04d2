"""The settings of a study: what conf/study/*.yaml and the words of `medft study` are built into."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from medft.checked import Count, Name, NonNegative, Part, Positive, Seed
from medft.errors import ConfigError
from medft.overrides import SEARCHPATH
from medft.sweep.launch import demand_launch_words

BASES, ALL = "bases", "all"
VERSUS = " vs "
_DECIDED = {
    "seed": "seeds=[...]", "dataset.split.seed": "split_seed=...", "artifacts": "artifacts=...",
    "processed": "processed=...", "run_dir": "the study names its runs", "resume": "medft study resume=...",
}  # fmt: skip
"""What the study itself tells every run, and how."""
Words: TypeAlias = "str | tuple[str, ...]"
"""Words of a command line: one by one, or as they are typed."""


def words(of: Words) -> tuple[str, ...]:
    """Words of a command line, one by one.

    Raises:
        ConfigError: an open quote.
    """
    try:
        return tuple(shlex.split(of)) if isinstance(of, str) else of
    except ValueError:
        raise ConfigError("a quote is opened and never closed", where=str(of)) from None


@dataclass(frozen=True, slots=True)
class Primary:
    """The one outcome that decides, named before anything is trained."""

    suite: Name = "heldout"
    """The suite that gives it; it must be one of `suites`."""
    metric: str = "bits per byte"
    """Its name, as the tables of `medft evaluate` have it."""
    part: str = ""
    """The part of the suite, where it has several; empty: the whole."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When the study says ship: written down before, and all that it asks for must hold."""

    noise: bool = True
    """The gain on the primary outcome must exceed the spread of the seeds."""
    worst_regression: Part = 0.02
    """No metric of a regression suite may be worse than the base by more than this."""
    merge_kept: NonNegative = 0.99
    """Share of the gain that merged weights must keep."""
    safety: Part = 0.0
    """No metric of a safety suite may be worse than the base by more than this."""


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """What is trained, asked and compared."""

    name: Name
    """Names the study's folder, studies/<name> under `artifacts`."""
    models: tuple[Name, ...]
    """Files of conf/model; the base of each is a control."""
    datasets: tuple[Name, ...]
    """Files of conf/dataset."""
    templates: tuple[Name, ...] = ("medical_qa",)
    """Files of conf/template."""
    seeds: tuple[Seed, ...] = (1, 2, 3)
    """One run of every cell for each."""
    vary: dict[str, tuple[str | bool, ...]] = field(default_factory=dict)
    """Further settings of `medft train`, each with its values: a cell for every combination, such as
    `'vary={lora.r:[8,16]}'`."""
    settings: Words = ()
    """Words of `medft train` for every cell: a list, or a text as on its command line."""
    where: dict[Name, Words] = field(default_factory=dict)
    """Words of `medft train` for the cells of one model, data set or template, by its name."""
    paths: dict[Name, Path] = field(default_factory=dict)
    """Where data sets lie, by name: `dataset.path` for the cells, and for the suites that ask them."""
    split_seed: Seed = 3407
    """Seeds the split of every run, whatever its seed, so that all are asked the same held-out rows."""
    suites: tuple[Name, ...] = ("heldout",)
    """Files of conf/suite, asked of every run and its base."""
    suite_settings: Words = ()
    """Words of `medft evaluate`."""
    primary: Primary = field(default_factory=Primary)
    """The outcome that decides; all others are secondary."""
    regression: tuple[Name, ...] = ()
    """Suites that must not get worse than `rules.worst_regression`."""
    safety: tuple[Name, ...] = ()
    """Suites that must not get worse than `rules.safety`."""
    compare: str | tuple[str, ...] = ALL
    """bases: every cell with its base; all: with each other, too; or pairs, as `[A vs B]`, by the names
    of the cells in the plan."""
    rules: Rules = field(default_factory=Rules)
    """What the verdict rests on."""
    hours: Positive | None = None
    """Budget of training, all processes together: no run starts once it is spent. null: none."""
    launch: Words = ()
    """How runs are started: words for Hydra's launchers, such as `hydra/launcher=joblib`; empty: one after
    the other, on a GPU of its own each."""
    sample: Count = 10
    """Number of answers in the report, drawn by seed."""
    plan_only: bool = False
    """Say what it would take, and start nothing."""
    artifacts: Path = Path("artifacts")
    """Where runs are looked for, and where the study is written."""
    processed: Path = Path("data/processed")
    """Where prepared records and token ids are kept."""
    resume: str | None = None
    """A study to resume, by name or folder, with the words that it began with; further words are added."""
    overrides: tuple[str, ...] = ()
    """The command line that the settings came from."""

    @property
    def again(self) -> str:
        """The command that resumes the study."""
        return f"medft study resume={shlex.quote(str(self.place))}"

    @property
    def place(self) -> Path:
        """The study's folder."""
        return self.artifacts / "studies" / self.name

    @property
    def own_files(self) -> tuple[str, ...]:
        """The word that names folders of the user's own YAML files: every command of the study needs it."""
        return tuple(word for word in self.overrides if word.startswith(SEARCHPATH))

    def __post_init__(self) -> None:
        """Refuse what no study can answer.

        Raises:
            ConfigError: nothing to train or ask, a repetition, an outcome that no suite gives, or a rule
                for suites that are not named.
        """
        for key in ("models", "datasets", "templates", "seeds", "suites"):
            values = getattr(self, key)
            if not values:
                raise ConfigError(f"'{key}' is empty", where=self.name, remedy=f"{key}=[...]")
            if len(set(values)) < len(values):
                raise ConfigError(f"'{key}' contains a repetition", where=f"{key}={list(values)}")
        self._check_words()
        self._check_suites()
        self._check_compare()

    def _check_suites(self) -> None:
        of = {"primary.suite": (self.primary.suite,), "regression": self.regression, "safety": self.safety}
        for key, asked in of.items():
            if missing := [suite for suite in asked if suite not in self.suites]:
                raise ConfigError(
                    f"'{key}' names the suite '{missing[0]}', which the study does not use",
                    where=f"suites={list(self.suites)}",
                    remedy=f"suites=[{','.join([*self.suites, missing[0]])}]",
                )
        for rule, kind in (("worst_regression", "regression"), ("safety", "safety")):
            if getattr(self.rules, rule) != getattr(Rules(), rule) and not of[kind]:
                raise ConfigError(
                    f"'rules.{rule}' holds for nothing: the study names no {kind} suite",
                    where=self.name,
                    remedy=f"{kind}=[...], some of suites={list(self.suites)}",
                )

    def _check_words(self) -> None:
        typed = {"settings": words(self.settings), "vary": tuple(self.vary)}
        typed |= {f"where.{name}": words(of) for name, of in self.where.items()}
        for key, each in typed.items():
            for word in each:
                if (name := word.partition("=")[0].lstrip("+")) in _DECIDED:
                    raise ConfigError(
                        f"'{key}' cannot set '{name}', which the study decides",
                        where=word,
                        remedy=_DECIDED[name],
                    )
        demand_launch_words(words(self.launch))

    def _check_compare(self) -> None:
        if isinstance(self.compare, str):
            if self.compare not in (BASES, ALL) and VERSUS not in self.compare:
                raise ConfigError(
                    f"'compare' cannot be {self.compare!r}",
                    remedy=f"{BASES}, {ALL}, or a list of pairs: compare=['A{VERSUS}B']",
                )
        elif wrong := [pair for pair in self.compare if pair.count(VERSUS) != 1]:
            raise ConfigError(f"'compare' cannot hold {wrong[0]!r}", remedy=f"write pairs as A{VERSUS}B")
