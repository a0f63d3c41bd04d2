"""Plans each cell of a study as `medft plan` plans a run: settings, decisions, rows, time and disk. Nothing
is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from textwrap import indent
from typing import TypeVar

from medft.compose import settings
from medft.config import plain
from medft.data.prepare import prepare
from medft.errors import ConfigError, MedftError
from medft.machine import probe
from medft.plan import downloads
from medft.plan.resolve import resolve
from medft.runs.values import flatten
from medft.screen import Screen
from medft.study.cells import Cell, trials
from medft.study.config import StudyConfig
from medft.study.expected import Expected
from medft.training.summary import Fingerprints
from medft.verbs.plan import figures
from medft.verbs.steps import decided
from medft.verbs.train_config import TrainConfig

T = TypeVar("T")
U = TypeVar("U")


def look(study: StudyConfig, cells: Sequence[Cell], screen: Screen) -> list[Expected]:
    """Every cell, planned.

    Raises:
        ConfigError: cells that cannot run here, all of them, each with its reason.
    """
    built = _each(cells, cells, lambda cell: _built(study, cell))
    with screen.waiting(f"looking at every cell ({len(cells)})"):
        return _each(cells, list(zip(cells, built, strict=True)), lambda of: _expected(*of))


def _each(cells: Sequence[Cell], of: Sequence[T], step: Callable[[T], U]) -> list[U]:
    """A step for every cell; what is wrong with any of them is told of all at once."""
    done, wrong = [], []
    for cell, one in zip(cells, of, strict=True):
        try:
            done.append(step(one))
        except MedftError as error:
            wrong.append(f"{cell.label}\n{indent(str(error), '  ')}")
    if wrong:
        many = "1 cell cannot" if len(wrong) == 1 else f"{len(wrong)} of {len(cells)} cells cannot"
        raise ConfigError(
            f"{many} run here; nothing was started\n" + indent("\n".join(wrong), "  "),
            remedy="correct it, or remove that model, data set, template or value from the study",
        )
    return done


def _built(study: StudyConfig, cell: Cell) -> TrainConfig:
    """The settings of a cell's run with the first seed."""
    [(_, _, words), *_] = trials(study, [cell])
    config: TrainConfig = settings("train", words)
    return config


def _expected(cell: Cell, config: TrainConfig) -> Expected:
    resolved = resolve(config.model, config.engine, config.scale, probe())
    config = decided(config, resolved)
    if config.preflight and resolved.scale == "full":
        downloads.check(config.model, resolved.load_in_4bit, config.merge, probe())
    prepared = prepare(config.dataset, seed=config.seed, processed=config.processed)
    config = replace(config, dataset=prepared.config)
    plan, tokens = figures(config, resolved, prepared)
    plan.demand_room(config.preflight)
    prints = plain(Fingerprints.of(prepared.ledger, tokens.fingerprint if tokens else "", config.template))
    trained = replace(config, trainer=replace(config.trainer, max_steps=plan.trainer.max_steps))
    return Expected(
        cell=replace(cell, template=config.template.name),
        settings=flatten(plain(trained)),
        fingerprints={kind: value for kind, value in prints.items() if value},
        steps=plan.schedule.steps,
        tokens=plan.tokens,
        seconds=plan.seconds,
        disk=plan.disk.run if plan.disk else None,
        download=plan.disk.download if plan.disk else 0,
        problems=tuple(f"{found.what}: {found.remedy}" for found in plan.problems),
        template=config.template,
        tiny=resolved.scale == "tiny",
        test=list(prepared.records("test")),
        train=list(prepared.records("train")),
    )
