"""Makes the plan of a run on this machine: recipe, steps, tokens, memory, disk and time. Loads no model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from medft.aliases import Json
from medft.engine.base import Checkpointing, EngineName
from medft.format import size
from medft.machine import Machine
from medft.plan import cost, fit, lengths, problems
from medft.plan.budget import Work, most_steps
from medft.plan.disk import free_bytes
from medft.plan.fit import Memory, Recipe
from medft.plan.flops import flops_per_token
from medft.plan.lengths import Lengths
from medft.plan.merge_check import not_on_the_gpu
from medft.plan.rate import Rate, last_rate, on_cpu, on_gpus
from medft.plan.remedies import in_shares
from medft.plan.request import Request, disk_of, memory_of
from medft.plan.resolve import Resolved, is_small
from medft.plan.result import Plan
from medft.plan.speed import Speed, measure
from medft.training.config import Optimizer, TrainerConfig

_MEMORY_FOR_AUTO = 0.9


def make(
    request: Request, resolved: Resolved, machine: Machine, speed: Callable[[], Speed] = measure
) -> Plan:
    """Plan a run.

    Args:
        request: what is to be planned.
        resolved: the decisions of this machine.
        machine: its GPUs and memory.
        speed: of matrix products; asked only where a real model is trained on a CPU for the first time.

    Raises:
        ConfigError: trainer.fit=auto on a number of GPUs that does not divide the rows of a step.
    """
    reasons = dict(resolved.reasons)
    memory, of_step = memory_of(request, resolved, machine), _cost(request, resolved, machine, speed)
    used = machine.gpus[: request.devices]
    free = min((gpu.usable_bytes for gpu in used), default=machine.ram_available)
    recipe = _recipe(request, resolved, machine, free, memory, of_step, reasons)
    checked = request.merge and resolved.scale == "full" and machine.gpus
    if checked and request.shape and (why := not_on_the_gpu(request.shape, free, machine)):
        reasons["merge"] = why
    rate = last_rate(request.artifacts, machine, _like(request, resolved))
    # What the gathering of shares costs depends on what joins the GPUs: a first run tells.
    if rate is None and resolved.scale == "full" and resolved.sharding == "none":
        rate = _reckoned(request, resolved, machine, recipe, of_step, speed)
    work = Work(recipe.trainer, request.lengths, request.devices, recipe.checkpointing)
    if recipe.trainer.minutes is not None:
        work = _within_minutes(work, recipe.trainer.minutes, rate, reasons)
    trainer, rows = work.trainer, request.lengths.train
    needs = memory(recipe) if memory else None
    seconds = work.seconds(rate) if rate else None
    room = disk_of(request, resolved, trainer)
    there = free_bytes(request.artifacts)
    return Plan(
        resolved=replace(resolved, gradient_checkpointing=recipe.checkpointing, reasons=reasons),
        trainer=trainer, schedule=work.schedule, devices=request.devices,
        exact=request.lengths.exact, longest=max(rows, default=0), tokens=work.trained,
        flops_per_token=_flops(request), padding_ratio=cost.padding_of(trainer, rows),
        memory=needs, memory_free=free, disk=room, disk_free=there,
        seconds=seconds, rate=rate,
        problems=(
            *problems.beyond_context(
                _longest(request.lengths, trainer), request.context, request.lengths.exact
            ),
            *problems.slow(seconds, work.schedule.steps, is_small(request.shape), machine),
            *problems.of_layers(request.lora.target_modules or (), request.shape),
            *problems.of_driver(machine),
            *problems.of_devices(used),
            *problems.of_type(resolved.dtype, used),
            *problems.of_disk(room, there, request.artifacts),
            *problems.of_memory(
                recipe, memory, resolved.engine == "unsloth", free, machine,
                in_shares(request, resolved, machine, recipe),
            ),
        ),
    )  # fmt: skip


def at_speed(plan: Plan, rows: Lengths, tokens_per_second: float) -> Plan:
    """A plan whose steps are chosen by ``trainer.minutes``, at a speed that its run has measured itself."""
    rate, reasons = Rate(tokens_per_second, "its own first batches"), dict(plan.resolved.reasons)
    trainer = replace(plan.trainer, max_steps=None)
    work = Work(trainer, rows, plan.devices, plan.resolved.gradient_checkpointing)
    work = _within_minutes(work, plan.trainer.minutes or math.inf, rate, reasons)
    return replace(
        plan, trainer=work.trainer, schedule=work.schedule, tokens=work.trained, rate=rate,
        seconds=work.seconds(rate), resolved=replace(plan.resolved, reasons=reasons),
    )  # fmt: skip


def _within_minutes(work: Work, minutes: float, rate: Rate | None, reasons: dict[str, str]) -> Work:
    """The work with as many steps as fit the time; with all of them where no speed is known, and without a
    limit where the steps were said."""
    if work.trainer.max_steps is not None:
        return replace(work, trainer=replace(work.trainer, minutes=None))
    whole = work.schedule.steps
    if rate is None:
        reasons["steps"] = (
            f"all {whole:,} steps: how many fit into trainer.minutes={minutes:g} is unknown until this"
            " model has run here once"
        )
        return work
    steps = most_steps(work, rate, minutes)
    reasons["steps"] = (
        f"{steps:,} of {whole:,} steps: as many as fit into trainer.minutes={minutes:g} with "
        f"validation and test, at {rate.words}"
    )
    return replace(work, trainer=replace(work.trainer, max_steps=steps))


def _cost(
    request: Request, resolved: Resolved, machine: Machine, speed: Callable[[], Speed]
) -> Callable[[Recipe], float]:
    """What a step of a recipe costs."""
    varlen = resolved.engine == "unsloth" or not machine.gpus  # FlashAttention, xformers, or row by row
    measured = speed().of(resolved.dtype) if _on_cpu(resolved, machine) else None
    return cost.step_cost(
        request.lengths.train, request.shape, request.adapter, resolved.dtype, machine, varlen, measured
    )


def _recipe(
    request: Request, resolved: Resolved, machine: Machine, free: int, memory: Memory | None,
    of_step: Callable[[Recipe], float], reasons: dict[str, str],
) -> Recipe:  # fmt: skip
    """The recipe as it will run."""
    trainer = _optimizer(request.trainer, resolved, machine, reasons)
    recipe = Recipe(trainer, resolved.gradient_checkpointing, resolved.load_in_4bit)
    if memory is not None:
        if trainer.fit == "auto":
            chosen = _fit(recipe, request, resolved, free, memory, of_step, reasons)
            if machine.gpus:
                reasons["batch"] += " (experimental: computed, not yet measured on a GPU)"
            return chosen
        if _on_cpu(resolved, machine) and request.engine.gradient_checkpointing == "auto":
            return _recomputed_if_needed(recipe, free, memory, reasons)
    elif trainer.padding_free is None:
        reasons["batch"] = "batches as configured, padded: this architecture is not known"
        return replace(recipe, trainer=replace(trainer, padding_free=False))
    return recipe


def _on_cpu(resolved: Resolved, machine: Machine) -> bool:
    """Whether a real model computes on the processor."""
    return resolved.scale == "full" and not machine.gpus


def _reckoned(
    request: Request, resolved: Resolved, machine: Machine, recipe: Recipe,
    of_step: Callable[[Recipe], float], speed: Callable[[], Speed],
) -> Rate | None:  # fmt: skip
    """How fast the machine should train a real model; None where sizes or arithmetic are not known."""
    rows, trainer = request.lengths.train, recipe.trainer
    if request.shape is None or request.adapter is None or not sum(rows):
        return None
    per_step = trainer.per_device_batch_size * trainer.gradient_accumulation_steps
    work = of_step(recipe) / (per_step * sum(rows) / len(rows))
    per_pass = flops_per_token(request.shape, request.adapter, 0) / 2
    if machine.gpus:
        return on_gpus(machine, resolved.dtype, request.devices, per_pass, work)
    return on_cpu(speed().of(resolved.dtype), per_pass, work)


def _recomputed_if_needed(recipe: Recipe, free: int, memory: Memory, reasons: dict[str, str]) -> Recipe:
    """A recipe whose activations do not fit, with recomputation."""
    if memory(recipe).needed <= free * _MEMORY_FOR_AUTO:
        return recipe
    reasons["gradient_checkpointing"] = "activations would not fit otherwise"
    return replace(recipe, checkpointing="standard")


def _longest(rows: Lengths, trainer: TrainerConfig) -> int:
    """Tokens of the longest row of all splits; joined rows count positions of their own."""
    return min(max((*rows.train, *rows.validation, *rows.test), default=0), trainer.max_length)


def _flops(request: Request) -> float | None:
    if request.shape is None or request.adapter is None:
        return None
    return flops_per_token(request.shape, request.adapter, lengths.attended(request.lengths.train))


def _optimizer(
    trainer: TrainerConfig, resolved: Resolved, machine: Machine, reasons: dict[str, str]
) -> TrainerConfig:
    """Paged optimizers move their states between a GPU and its host; the unpaged ones compute the same. The
    states of bitsandbytes' cannot be divided between processes; those of torch's can."""
    if resolved.sharding == "fsdp" and trainer.optimizer != "adamw_torch":
        reasons["optimizer"] = (
            f"adamw_torch: {trainer.optimizer} cannot shard its states, and sharded 32-bit states are "
            "as exact and as small"
        )
        return replace(trainer, optimizer="adamw_torch")
    unpaged: dict[str, Optimizer] = {"paged_adamw_32bit": "adamw_torch", "paged_adamw_8bit": "adamw_8bit"}
    if machine.gpus or trainer.optimizer not in unpaged:
        return trainer
    chosen = unpaged[trainer.optimizer]
    reasons["optimizer"] = (
        f"{chosen}: paging needs a GPU; the mathematics is the same as with {trainer.optimizer}"
    )
    return replace(trainer, optimizer=chosen)


def _fit(
    recipe: Recipe, request: Request, resolved: Resolved, free: int, memory: Memory,
    of_step: Callable[[Recipe], float], reasons: dict[str, str],
) -> Recipe:  # fmt: skip
    kinds: tuple[Checkpointing, ...] = (resolved.gradient_checkpointing,)
    if request.engine.gradient_checkpointing == "auto":
        kinds = ("off", "standard", *(("unsloth",) if resolved.engine == "unsloth" else ()))
    room = int(free * _MEMORY_FOR_AUTO)
    chosen = fit.fastest(recipe, kinds, request.devices, room, memory, of_step)
    trainer = chosen.trainer
    reasons["batch"] = (
        f"{trainer.per_device_batch_size} rows x {trainer.gradient_accumulation_steps} accumulated, "
        f"{_batching(trainer, resolved.engine)}: the fastest batch layout that fits in {size(room)}"
    )
    if len(kinds) > 1:
        reasons["gradient_checkpointing"] = (
            "activations fit" if chosen.checkpointing == "off" else "activations would not fit otherwise"
        )
    return chosen


def _batching(trainer: TrainerConfig, engine: EngineName) -> str:
    if trainer.padding_free or trainer.packing:
        return "joined without padding"
    if trainer.per_device_batch_size == 1:
        return "one at a time"
    return "padded" if engine == "unsloth" else "padded (plain attention costs more on joined rows)"


def _like(request: Request, resolved: Resolved) -> Json:
    return {
        "model": request.model.name,
        "engine": resolved.engine,
        "scale": resolved.scale,
        "devices": request.devices,
        "sharding": None if resolved.sharding == "none" else resolved.sharding,
    }
