"""Opens the suites of a study for every cell before anything is trained, and composes the commands that
evaluate them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from medft.compose import group_options, settings
from medft.config import did_you_mean, nearest
from medft.data.record import Record
from medft.errors import ConfigError, MedftError
from medft.evaluation.config import SuiteConfig
from medft.evaluation.context import Context
from medft.evaluation.harness_tasks import demand_installed
from medft.evaluation.metrics import AGAINST_REFERENCE
from medft.evaluation.rehearsal import Outcome, Rehearsal, rehearse
from medft.evaluation.run import open_suite
from medft.evaluation.same_items import asked_of_each, union
from medft.inference.generation import Sampling
from medft.overrides import quoted, written
from medft.runs import RunDir
from medft.study.config import StudyConfig, words
from medft.study.expected import Expected


class Evaluation(Protocol):
    """What a study reads of the settings of `medft evaluate`."""

    @property
    def suite(self) -> Mapping[str, SuiteConfig]:
        """The suites, by name."""

    @property
    def seed(self) -> int:
        """Of items that are drawn, and of permutations."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a suite asks of one cell."""

    cell: str
    """Its label."""
    suite: str
    """Its name."""
    rehearsal: Rehearsal
    """How much it asks, and the metrics that it will give."""


def asked_words(study: StudyConfig) -> list[str]:
    """The command line of `medft evaluate`, without the runs.

    Raises:
        ConfigError: a suite or a setting that there is not, or a suite whose extra is not installed.
    """
    others = idle(study)
    own = [word for word in words(study.suite_settings) if word not in others]
    common = [f"suite=[{','.join(study.suites)}]", *own, *study.own_files]
    places = [written("artifacts", study.artifacts), written("processed", study.processed)]
    built: Evaluation = settings("evaluate", [*common, *places])
    if harness := [name for name, suite in built.suite.items() if suite.kind == "harness"]:
        demand_installed(f"the suite '{harness[0]}'")
    return [*common[:1], *_paths(study, built.suite), *common[1:], *places]


def idle(study: StudyConfig) -> list[str]:
    """Words for suites that there are, but that the study does not ask."""
    others = {*group_options(study.own_files)["suite"]} - {*study.suites}
    begin = tuple(f"suite.{name}." for name in others)
    return [word for word in words(study.suite_settings) if word.startswith(begin)]


def evaluation(study: StudyConfig) -> Evaluation:
    """The settings of `medft evaluate`, built.

    Raises:
        ConfigError: as ``asked_words``.
    """
    built: Evaluation = settings("evaluate", asked_words(study))
    return built


def command(study: StudyConfig, runs: Sequence[RunDir], beside: Sequence[RunDir] = ()) -> list[str]:
    """The command line that asks ``runs``, the same items as those ``beside``."""
    named = {"run": runs, "beside": beside}
    lists = [f"{key}=[{','.join(quoted(run.root) for run in of)}]" for key, of in named.items() if of]
    return [*lists, *asked_words(study)]


def open_all(study: StudyConfig, cells: Sequence[Expected]) -> list[Asked]:
    """Every suite for every cell, opened and rehearsed.

    Raises:
        ConfigError: suites that cannot be asked, all of them, each with its reason.
    """
    built = evaluation(study)
    owns = asked_of_each([cell.test for cell in cells], [cell.cell.dataset for cell in cells])
    trained_on = union([cell.train for cell in cells])
    found: list[Asked] = []
    wrong: dict[str, str] = {}
    opened: dict[tuple[str, str, str], Rehearsal] = {}
    with TemporaryDirectory() as folder:
        for cell, own in zip(cells, owns, strict=True):
            data = cell.fingerprints["split"]
            context = _context(cell, own, trained_on, built.seed, Path(folder))
            for name, suite in built.suite.items():
                key = (name, data if suite.dataset is None else "", cell.template.name)
                try:
                    if key not in opened:
                        opened[key] = rehearse(open_suite(name, suite, context))
                    found.append(Asked(cell.cell.label, name, opened[key]))
                except MedftError as error:
                    wrong.setdefault(str(error), f"suite '{name}' of {cell.cell.label}: {error}")
    if wrong:
        raise ConfigError("suites cannot be used; nothing was started\n  " + "\n  ".join(wrong.values()))
    return found


def primary(study: StudyConfig, asked: Sequence[Asked]) -> list[Outcome]:
    """The primary outcome, of every cell.

    Raises:
        ConfigError: no suite gives it, it cannot be compared item by item, or it is the overlap of a free
            answer with its reference.
    """
    wanted = study.primary
    given = [each for each in asked if each.suite == wanted.suite]
    if not any(each.rehearsal.outcomes for each in given):
        return []
    if wanted.metric in AGAINST_REFERENCE:
        raise ConfigError(
            f"'{wanted.metric}' cannot be the primary outcome: it only counts words shared with one "
            "reference",
            where="for open answers it agrees with clinicians less than clinicians agree with each other",
            remedy="primary.metric='bits per byte', or a suite whose answers are right or wrong",
        )
    found = []
    for each in given:
        outcome = _named(each.rehearsal.outcomes, wanted.metric, wanted.part)
        if outcome is None or not outcome.of_items:
            raise _no_outcome(study, each.rehearsal.outcomes, outcome)
        found.append(outcome)
    return found


def _named(outcomes: Sequence[Outcome], metric: str, part: str) -> Outcome | None:
    return next((each for each in outcomes if (each.metric, each.part) == (metric, part)), None)


def _no_outcome(study: StudyConfig, outcomes: Sequence[Outcome], had: Outcome | None) -> ConfigError:
    wanted = study.primary
    usable = [each for each in outcomes if each.of_items and each.metric not in AGAINST_REFERENCE]
    names = list(dict.fromkeys(each.metric for each in usable))
    near = nearest(wanted.metric, names)
    named = f"'{wanted.metric}'" + (f" of the part '{wanted.part}'" if wanted.part else "")
    what = f"has no value for every item of the suite '{wanted.suite}'" if had else ""
    what = what or f"is not a metric of the suite '{wanted.suite}'"
    parts = list(dict.fromkeys(each.part for each in usable if each.metric == wanted.metric and each.part))
    remedy = f"primary.part= one of: {', '.join(parts)}" if parts else ""
    return ConfigError(
        f"the primary outcome {named} {what}" + did_you_mean(None if parts else near),
        remedy=remedy or f"primary.metric= one of: {', '.join(names)}",
    )


def _context(
    cell: Expected, own: Sequence[Record], trained_on: Sequence[Record], seed: int, folder: Path
) -> Context:
    return Context(
        template=cell.template, own=own, trained_on=cell.train, trained_on_elsewhere=trained_on,
        sampling=Sampling(seed=seed), folder=folder, seed=seed, tiny=cell.tiny, run=cell.cell.label,
    )  # fmt: skip


def _paths(study: StudyConfig, suites: Mapping[str, SuiteConfig]) -> Iterator[str]:
    """Where the data sets of suites lie, as the study says it of them by name."""
    for name, suite in suites.items():
        if suite.dataset is None:
            continue
        for member, config in suite.dataset.members().items():
            if config.name in study.paths:
                inner = f"dataset.sources.{member}" if suite.dataset.sources else "dataset"
                yield written(f"suite.{name}.{inner}.path", study.paths[config.name])
