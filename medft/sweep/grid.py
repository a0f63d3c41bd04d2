"""A command line with several values for some keys -> the command lines of a sweep's jobs.

Where to look for: the reading of Hydra's notation (``a,b``, ``choice(a,b)``, ``range(1,4)``, ``glob(*)``,
``interval(0,1)``, ``tag(log,interval(1e-5,1e-3))``).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.compose import group_options
from medft.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

MOST_JOBS = 10_000
"""Jobs of one sweep; each is a run of its own."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers in order, of which a search may take any."""

    low: int | float
    """The least."""
    high: int | float
    """The greatest."""
    step: int | float | None = None
    """Between neighbours; null: any number between the ends."""
    log: bool = False
    """Search their logarithms."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that every override stands for."""

    choices: tuple[tuple[str, ...], ...]
    """For every override, one ``key=value`` for each of its values; the two ends of an interval."""
    varied: tuple[str, ...]
    """The keys that have several."""
    intervals: tuple[str, ...]
    """Overrides that name any number between two ends, which only a search can take values from."""
    numbers: Mapping[str, Numbers]
    """The keys whose values are numbers in order: ``interval`` and ``range``."""

    def __len__(self) -> int:
        """How many combinations there are."""
        return math.prod(len(values) for values in self.choices)

    def jobs(self) -> list[list[str]]:
        """Every combination.

        Raises:
            ConfigError: there is an interval among the values.
        """
        if self.intervals:
            raise ConfigError(
                f"an interval needs a search: {self.intervals[0]}",
                remedy="hydra/sweeper=optuna",
            )
        if len(self) > MOST_JOBS:
            raise ConfigError(
                f"this would be {len(self):,} runs, but a sweep can have at most {MOST_JOBS:,}",
                remedy="use fewer values, or a search: hydra/sweeper=optuna",
            )
        found = list(itertools.product(*self.choices))
        if again := next((job for job, times in Counter(found).items() if times > 1), None):
            varied = [word for word, values in zip(again, self.choices, strict=True) if len(values) > 1]
            raise ConfigError(f"the run {' '.join(varied)} is asked for twice", remedy="each value once")
        return [list(combination) for combination in found]

    def corners(self) -> list[list[str]]:
        """Combinations in which every value and every end of an interval appears once at least."""
        first = [values[0] for values in self.choices]
        others = ((place, value) for place, values in enumerate(self.choices) for value in values[1:])
        return [first, *([*first[:place], value, *first[place + 1 :]] for place, value in others)]


def read_grid(overrides: Sequence[str]) -> Grid:
    """Read a sweep's command line.

    Raises:
        ConfigError: it is none.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(
            f"cannot parse the command: {str(error).splitlines()[0]}",
            remedy="medft train --help   shows examples",
        ) from error
    for override in parsed:
        _refuse_endless(override)
    groups = group_options(overrides)
    several = [override for override in parsed if override.is_sweep_override()]
    return Grid(
        choices=tuple(tuple(_values(override, groups)) for override in parsed),
        varied=tuple(override.get_key_element() for override in several),
        intervals=tuple(override.input_line for override in several if override.is_interval_sweep()),
        numbers={o.get_key_element(): found for o in several if (found := _numbers(o)) is not None},
    )


def _numbers(override: Override) -> Numbers | None:
    value = override.value()
    if override.is_interval_sweep():
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        return Numbers(value.start, value.end, 1 if whole else None, log="log" in value.tags)
    if override.is_range_sweep() and not value.shuffle:
        listed = list(override.sweep_iterator())
        return Numbers(min(listed), max(listed), abs(value.step))
    return None


def _refuse_endless(override: Override) -> None:
    """Count a range before it is written out.

    Raises:
        ConfigError: it has more values than a sweep may have jobs.
    """
    if override.is_range_sweep():
        value = override.value()
        if value.step == 0 or abs((value.stop - value.start) / value.step) > MOST_JOBS:
            raise ConfigError(
                f"'{override.input_line}' has more values than a sweep may have jobs ({MOST_JOBS:,})",
                remedy="a smaller range, or a search: hydra/sweeper=optuna",
            )


def _values(override: Override, groups: Mapping[str, Sequence[str]]) -> list[str]:
    from hydra.core.override_parser.types import Glob

    if not override.is_sweep_override():
        return [override.input_line]
    key, value = override.get_key_element(), override.value()
    values: Sequence[object]
    if override.is_interval_sweep():
        values = [value.start, value.end]
    elif isinstance(value, Glob):
        values = value.filter(groups.get(key, []))
    else:
        values = list(override.sweep_string_iterator())
    if not values:
        raise ConfigError(f"'{override.input_line}' has no value")
    return [f"{key}={value}" for value in values]
