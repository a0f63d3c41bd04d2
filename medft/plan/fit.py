"""Which batches suit a memory: the fastest that fit, and what to change where nothing does.

Owns both choices. They compare recipes by two functions that they are given, and know neither formulas nor
machines.

The cost of a step: its tokens go through the frozen base twice (forward, and the gradient of activations),
with checkpointing three times, and every pass has a price per micro-batch, told in tokens (`batch_price`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from medft.engine.base import Checkpointing
from medft.errors import ConfigError
from medft.models.registry import ShapeConfig, parameters
from medft.plan.memory import Estimate
from medft.training.config import TrainerConfig

_UNPACKING = 100  # tokens
_LAUNCHING = 0.5e-3  # seconds per block: about a hundred kernels of 5 microseconds each
_EFFICIENCY = 0.4  # of a GPU's peak
_CPU_PRICE = 800  # tokens; measured with the tiny twin
_PASSES: dict[Checkpointing, float] = {"off": 2.0, "standard": 3.0, "unsloth": 3.05}
_LARGEST_VALIDATION_BATCH = 32
_SHORTEST = 256  # tokens: below it answers would be cut to nothing


@dataclass(frozen=True, slots=True)
class Recipe:
    """What of a run decides its memory."""

    trainer: TrainerConfig
    """Batches, optimiser, longest row."""
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
    work_per_step: Callable[[TrainerConfig], float],
    price: float,
) -> Recipe:
    """The recipe with the batches, and the checkpointing among those given, that cost least and fit.

    The rows of a step stay those of the recipe, over all devices together. Where nothing fits, the smallest.

    Args:
        recipe: what was asked for.
        checkpointing: kinds to choose from.
        devices: that share the rows of a step.
        free: bytes there are.
        memory: what a recipe needs.
        work_per_step: what one device computes in a step, in tokens that attend to nothing.
        price: of a micro-batch, in such tokens.

    Raises:
        ConfigError: the rows of a step cannot be dealt out evenly to the devices.
    """
    candidates = [
        replace(recipe, trainer=trainer, checkpointing=kind)
        for trainer in _splittings(recipe.trainer, devices)
        for kind in checkpointing
    ]
    fitting = [each for each in candidates if memory(_one_row_validated(each)).needed <= free]
    chosen = (
        min(fitting, key=lambda each: _cost(each, work_per_step(each.trainer), price))
        if fitting
        else min(candidates, key=lambda each: memory(each).needed)
    )
    return _widest_validation(chosen, free, memory)


def _splittings(trainer: TrainerConfig, devices: int) -> Iterator[TrainerConfig]:
    rows = trainer.per_device_batch_size * trainer.gradient_accumulation_steps
    if rows % devices:
        raise ConfigError(
            f"{rows} rows a step cannot be dealt out evenly to {devices} GPUs",
            where="trainer.per_device_batch_size x trainer.gradient_accumulation_steps",
            remedy=f"make their product a multiple of {devices}, or use a number of GPUs that divides {rows}",
        )
    share = rows // devices
    for size in (size for size in range(1, share + 1) if share % size == 0):
        yield replace(trainer, per_device_batch_size=size, gradient_accumulation_steps=share // size)


def batch_price(shape: ShapeConfig | None, peak: float | None, on_gpu: bool) -> float:
    """What a pass over a micro-batch costs besides its tokens, in tokens.

    Unpacking 4 bits: N weights move 2.5 N bytes, a token takes 2 N operations; at 40% of the arithmetic and
    all of the bandwidth of a T4 (65 TFLOPS, 320 GB/s) as of an H200 (989 TFLOPS, 4.8 TB/s) that is worth 100
    tokens.
    Launching kernels: some time per block, in which a fast GPU would have computed more tokens.

    Args:
        shape: of the base, where it is known.
        peak: operations per second of the GPU, where they are known.
        on_gpu: whether there is one.
    """
    if not on_gpu:
        return _CPU_PRICE
    if shape is None or peak is None:
        return _UNPACKING
    tokens_per_second = _EFFICIENCY * peak / (2 * parameters(shape))
    return _UNPACKING + _LAUNCHING * shape.num_hidden_layers * tokens_per_second


def _cost(recipe: Recipe, work: float, price: float) -> float:
    batches = recipe.trainer.gradient_accumulation_steps
    return _PASSES[recipe.checkpointing] * (work + price * batches)


def _one_row_validated(recipe: Recipe) -> Recipe:
    return replace(recipe, trainer=replace(recipe.trainer, per_device_eval_batch_size=1))


def _widest_validation(recipe: Recipe, free: int, memory: Memory) -> Recipe:
    sizes = [2**power for power in range(_LARGEST_VALIDATION_BATCH.bit_length())]
    options = [replace(recipe, trainer=replace(recipe.trainer, per_device_eval_batch_size=n)) for n in sizes]
    return next((each for each in reversed(options) if memory(each).needed <= free), options[0])


def remedies(recipe: Recipe, free: int, memory: Memory, offloads: bool) -> tuple[list[str], bool]:
    """Overrides that lessen the memory, in the order to try them, and whether all of them together suffice.

    First what leaves the mathematics alone: recomputation, smaller batches with more accumulation; then an
    8-bit optimiser and a 4-bit base; last shorter rows.

    Args:
        recipe: what does not fit.
        free: bytes there are.
        memory: what a recipe needs.
        offloads: whether the engine can move activations to the host.
    """
    now = recipe
    for step in (_recompute(offloads), _halve_batch, _halve_validation, _optimizer_8bit, _in_4bit, _shorten):
        while memory(now).needed > free and (changed := step(now)) is not None:
            if memory(changed).needed >= memory(now).needed:
                break
            now = changed
    return _overrides(recipe, now), memory(now).needed <= free


def _recompute(offloads: bool) -> Callable[[Recipe], Recipe | None]:
    best: Checkpointing = "unsloth" if offloads else "standard"

    def step(recipe: Recipe) -> Recipe | None:
        return None if recipe.checkpointing == best else replace(recipe, checkpointing=best)

    return step


def _halve_batch(recipe: Recipe) -> Recipe | None:
    rows, steps = recipe.trainer.per_device_batch_size, recipe.trainer.gradient_accumulation_steps
    if rows % 2:
        return None
    return replace(
        recipe,
        trainer=replace(
            recipe.trainer, per_device_batch_size=rows // 2, gradient_accumulation_steps=steps * 2
        ),
    )


def _halve_validation(recipe: Recipe) -> Recipe | None:
    rows = recipe.trainer.per_device_eval_batch_size
    if rows == 1:
        return None
    return replace(recipe, trainer=replace(recipe.trainer, per_device_eval_batch_size=rows // 2))


def _optimizer_8bit(recipe: Recipe) -> Recipe | None:
    if "8bit" in recipe.trainer.optimizer:
        return None
    return replace(recipe, trainer=replace(recipe.trainer, optimizer="adamw_8bit"))


def _in_4bit(recipe: Recipe) -> Recipe | None:
    return None if recipe.in_4bit else replace(recipe, in_4bit=True)


def _shorten(recipe: Recipe) -> Recipe | None:
    length = recipe.trainer.max_length // 2
    return None if length < _SHORTEST else replace(recipe, trainer=replace(recipe.trainer, max_length=length))


def _overrides(before: Recipe, after: Recipe) -> list[str]:
    """What to write on the command line to get from one recipe to the other."""
    keys = ("per_device_batch_size", "gradient_accumulation_steps", "per_device_eval_batch_size",
            "optimizer", "max_length")  # fmt: skip
    found = []
    if after.checkpointing != before.checkpointing:
        found.append(f"engine.gradient_checkpointing={after.checkpointing}")
    found += [
        f"trainer.{key}={getattr(after.trainer, key)}"
        for key in keys[:4]
        if getattr(after.trainer, key) != getattr(before.trainer, key)
    ]
    if after.in_4bit != before.in_4bit:
        found.append("engine.load_in_4bit=true")
    if after.trainer.max_length != before.trainer.max_length:
        found.append(f"trainer.max_length={after.trainer.max_length}")
    return found
