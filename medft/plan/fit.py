"""Chooses the batch layout that costs least among those that fit a memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from medft.engine.base import Checkpointing
from medft.errors import ConfigError
from medft.training.config import TrainerConfig
from medft.training.memory import Estimate

_LARGEST_VALIDATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """What of a run decides its memory."""

    trainer: TrainerConfig
    """Batches, optimizer, longest row."""
    checkpointing: Checkpointing
    """What is recomputed."""
    in_4bit: bool
    """Whether the base is held in 4 bits."""


Memory = Callable[[Recipe], Estimate]


def fastest(
    recipe: Recipe,
    checkpointing: tuple[Checkpointing, ...],
    devices: int,
    free: int,
    memory: Memory,
    cost: Callable[[Recipe], float],
) -> Recipe:
    """The recipe with the batches, and the checkpointing among those given, that cost least and fit.

    The rows of a step stay those of the recipe, over all devices together. Whether they are joined or padded
    is chosen too, where the recipe leaves it open. Where nothing fits, the smallest.

    Args:
        recipe: what was asked for.
        checkpointing: kinds to choose from.
        devices: that share the rows of a step.
        free: bytes there are.
        memory: what a recipe needs.
        cost: of a step, in any unit.

    Raises:
        ConfigError: the rows of a step cannot be dealt out evenly to the devices.
    """
    candidates = [
        replace(recipe, trainer=trainer, checkpointing=kind)
        for trainer in _splittings(recipe.trainer, devices)
        for kind in checkpointing
    ]
    fitting = [each for each in candidates if memory(_one_row_validated(each)).needed <= free]
    chosen = min(fitting, key=cost) if fitting else min(candidates, key=lambda each: memory(each).needed)
    return _widest_validation(chosen, free, memory)


def _splittings(trainer: TrainerConfig, devices: int) -> Iterator[TrainerConfig]:
    rows = trainer.per_device_batch_size * trainer.gradient_accumulation_steps
    if rows % devices:
        raise ConfigError(
            f"{rows} rows per step cannot be divided evenly among {devices} GPUs",
            where="trainer.per_device_batch_size x trainer.gradient_accumulation_steps",
            remedy=f"make their product a multiple of {devices}, or use a number of GPUs that divides {rows}",
        )
    share = rows // devices
    joinings = (False, True) if trainer.padding_free is None else (trainer.padding_free,)
    for size, joined in product((n for n in range(1, share + 1) if share % n == 0), joinings):
        yield replace(
            trainer,
            per_device_batch_size=size,
            gradient_accumulation_steps=share // size,
            padding_free=joined,
        )


def _one_row_validated(recipe: Recipe) -> Recipe:
    return replace(recipe, trainer=replace(recipe.trainer, per_device_eval_batch_size=1))


def _widest_validation(recipe: Recipe, free: int, memory: Memory) -> Recipe:
    sizes = [2**power for power in range(_LARGEST_VALIDATION_BATCH.bit_length())]
    options = [replace(recipe, trainer=replace(recipe.trainer, per_device_eval_batch_size=n)) for n in sizes]
    return next((each for each in reversed(options) if memory(each).needed <= free), options[0])
