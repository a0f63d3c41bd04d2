"""Remedies for a run that does not fit into memory, in the order to try them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from medft.engine.base import Checkpointing
from medft.machine import Machine
from medft.plan.fit import Memory, Recipe
from medft.plan.request import Request, memory_of
from medft.plan.resolve import Resolved

_SHORTEST = 256  # tokens: below it answers would be cut to nothing


def remedies(recipe: Recipe, free: int, memory: Memory, offloads: bool) -> tuple[list[str], bool]:
    """Overrides that lessen the memory, in the order to try them, and whether all of them together suffice.

    First what leaves the mathematics alone: recomputation, smaller batches with more accumulation; then an
    8-bit optimizer and a 4-bit base; last shorter rows.

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


def in_shares(request: Request, resolved: Resolved, machine: Machine, recipe: Recipe) -> str:
    """How the GPUs of a machine would hold the base in shares; empty where they do, or where that would not
    suffice."""
    if resolved.sharding == "fsdp" or len(machine.gpus) < 2:
        return ""
    count = max(request.devices, len(machine.gpus))
    shared = replace(resolved, engine="transformers", sharding="fsdp")
    memory = memory_of(replace(request, devices=count), shared, machine)
    free = min(gpu.usable_bytes for gpu in machine.gpus[:count])
    if memory is None or memory(replace(recipe, checkpointing="standard")).needed > free:
        return ""
    launch = f"torchrun --standalone --nproc_per_node={count} -m medft train ... " * (request.devices == 1)
    return f"{launch}engine.sharding=fsdp, so that each of {count} GPUs holds a shard of the base"


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
