"""A search: optuna chooses the jobs of a sweep, from the results of those that have ended.

Where to look for: its settings (``SearchConfig``, the words ``hydra.sweeper...``) and the choice itself
(``propose``). The sweep's own index is the only record: a resumed search learns from it what was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from medft.checked import Count, Seed
from medft.config import build, did_you_mean, nearest
from medft.errors import ConfigError
from medft.sweep.grid import Grid

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

WORDS = ("hydra/sweeper", "hydra.sweeper.")
"""How the overrides begin that belong to a search."""


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """How a search chooses."""

    name: Literal["tpe", "random"] = "tpe"
    """tpe: tree-structured Parzen estimator (Bergstra et al. 2011), after ten random jobs; random."""
    seed: Seed | None = None
    """Makes the choices repeatable; null: other ones each time."""


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The settings of a search, `hydra.sweeper...` on the command line."""

    n_trials: Count = 20
    """Jobs in all."""
    n_jobs: Count = 1
    """Jobs chosen at a time. Set it with a launcher that runs several at once."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """What to do with trainer.sweep_metric."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    """`hydra/sweeper/sampler=NAME`, `hydra.sweeper.sampler.seed=N`."""


def read_search(words: Sequence[str]) -> SearchConfig | None:
    """The search that a command line asks for; None where it asks for a grid.

    Raises:
        ConfigError: an unknown sweeper or setting, or settings of a search without one.
    """
    from omegaconf import OmegaConf

    sweepers = {"hydra/sweeper=optuna": True, "hydra/sweeper=basic": False}
    named = [word for word in words if word.startswith("hydra/sweeper=")]
    if named and named[-1] not in sweepers:
        near = nearest(named[-1], sweepers)
        raise ConfigError(
            f"unknown sweeper: {named[-1]}" + did_you_mean(near),
            remedy="hydra/sweeper=optuna searches; without it, every combination is run",
        )
    said = [word for word in words if word.startswith(WORDS) and word not in named]
    if not named or not sweepers[named[-1]]:
        if said:
            raise ConfigError(f"this setting needs a search: {said[0]}", remedy="hydra/sweeper=optuna")
        return None
    settings = (word.replace("hydra/sweeper/sampler=", "hydra.sweeper.sampler.name=") for word in said)
    dotted = OmegaConf.from_dotlist([word.removeprefix("hydra.sweeper.") for word in settings])
    values: Any = OmegaConf.to_container(dotted)
    return build(SearchConfig, values, "hydra.sweeper")


def propose(
    grid: Grid, search: SearchConfig, known: Sequence[tuple[Sequence[str], float | None]], count: int
) -> list[list[str]]:
    """The command lines of the next ``count`` jobs.

    Args:
        grid: what may vary, and what stays.
        search: how to choose.
        known: the command lines of all jobs so far with their results; None for those without one.
        count: jobs to choose.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = None if search.sampler.seed is None else (search.sampler.seed + len(known)) % 2**32
    samplers = optuna.samplers
    sampler = (samplers.TPESampler if search.sampler.name == "tpe" else samplers.RandomSampler)(seed=seed)
    study = optuna.create_study(sampler=sampler, direction=search.direction)
    space = _space(grid)
    study.add_trials([_trial(job, value, space) for job, value in known])
    trials = [study.ask(space) for _ in range(count)]
    return [[_override(values, trial.params) for values in grid.choices] for trial in trials]


def _space(grid: Grid) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, BaseDistribution] = {}
    for values in grid.choices:
        key = _key(values[0])
        if (numbers := grid.numbers.get(key)) is not None:
            whole = all(isinstance(end, int) for end in (numbers.low, numbers.high, numbers.step))
            kind: Any = IntDistribution if whole else FloatDistribution
            space[key] = kind(numbers.low, numbers.high, log=numbers.log, step=numbers.step)
        elif key in grid.varied:
            space[key] = CategoricalDistribution(values)
    return space


def _trial(job: Sequence[str], value: float | None, space: dict[str, BaseDistribution]) -> FrozenTrial:
    """A job of before, as optuna remembers it."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    params: dict[str, Any] = {}
    for override in job:
        key, _, text = override.partition("=")
        if key in space:
            kind = space[key]
            listed = isinstance(kind, CategoricalDistribution)
            params[key] = override if listed else kind.to_external_repr(float(text))
    known = value is not None and math.isfinite(value)
    state = TrialState.COMPLETE if known else TrialState.FAIL
    return create_trial(state=state, value=value if known else None, params=params, distributions=space)


def _override(values: Sequence[str], params: dict[str, Any]) -> str:
    key = _key(values[0])
    if key not in params:
        return values[0]
    return params[key] if params[key] in values else f"{key}={params[key]}"


def _key(override: str) -> str:
    return override.partition("=")[0]
