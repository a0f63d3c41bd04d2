"""What a training will do on this machine, whether it fits, and what to change where it does not.

Owns the plan: the recipe as it will run, its steps, tokens, memory, disk and time. Loads no model and decides
nothing about engines (`resolve` has).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from medft.aliases import Json
from medft.config import plain
from medft.engine.base import Checkpointing
from medft.errors import EngineError
from medft.format import count, duration, size
from medft.machine import Machine
from medft.plan import cost, fit, lengths, problems
from medft.plan.disk import Disk, free_bytes
from medft.plan.fit import Memory, Recipe
from medft.plan.flops import flops_per_token, peak_flops, utilisation
from medft.plan.lengths import Lengths
from medft.plan.problems import Problem
from medft.plan.rate import Rate, last_rate, reckoned
from medft.plan.request import Request, disk_of, memory_of
from medft.plan.resolve import Resolved, is_small
from medft.plan.speed import Speed, measure
from medft.training.config import Optimizer, TrainerConfig
from medft.training.memory import Estimate
from medft.training.schedule import Schedule, schedule

_MEMORY_FOR_AUTO = 0.9
_DECIDED = ("optimizer", "batch")


@dataclass(frozen=True, slots=True)
class Plan:
    """A training, before it begins."""

    resolved: Resolved
    """The decisions of this machine, with those that the plan added, and every reason."""
    trainer: TrainerConfig
    """The recipe as it will run."""
    schedule: Schedule
    """Steps, validations, checkpoints."""
    devices: int
    """GPUs, or processes, that share the rows of a step."""
    flops_per_token: float | None
    """Operations of a training step per token; None where sizes are not known."""
    exact: bool
    """False where rows have not been encoded: figures are then what they can come to at most."""
    longest: int
    """Tokens of the longest training row."""
    tokens: int
    """Tokens trained on in all steps, padding left out."""
    padding_ratio: float
    """Processed over real tokens, expected."""
    memory: Estimate | None
    """Bytes on one device; None for an architecture whose sizes are not known."""
    memory_free: int
    """Bytes free there."""
    disk: Disk | None
    """Bytes to be written; None as above."""
    disk_free: int
    """Bytes free where runs are written."""
    seconds: float | None
    """Expected time; None before the first run of this model here."""
    rate: Rate | None
    """What the time was told from."""
    problems: tuple[Problem, ...]
    """What stands in the way."""

    @property
    def line(self) -> str:
        """The plan in one line."""
        most = "" if self.exact else "at most "
        parts = [
            f"{self.schedule.steps:,} steps x {self.schedule.rows_per_step} rows",
            f"{most}{count(self.tokens)} tokens",
        ]
        parts += [f"{size(self.memory.needed)} of memory"] if self.memory else []
        parts += [f"about {duration(self.seconds)}"] if self.seconds is not None else []
        return ", ".join(parts)

    @property
    def decisions(self) -> list[str]:
        """What the plan decided beyond what was asked for, with the reasons."""
        return [self.resolved.reasons[name] for name in _DECIDED if name in self.resolved.reasons]

    def demand_room(self, preflight: bool = True) -> None:
        """Refuse a run that cannot succeed.

        Args:
            preflight: False refuses only what no setting makes up for.

        Raises:
            EngineError: with what to change.
        """
        for problem in self.problems:
            if problem.final:
                raise EngineError(problem.what, remedy=problem.remedy)
            if problem.certain and preflight:
                raise EngineError(
                    problem.what, remedy=f"{problem.remedy}; preflight=false goes on all the same"
                )

    def utilisation(self, tokens_per_second: float, machine: Machine) -> float | None:
        """Model FLOPs utilisation at a measured speed (``flops``); None without a GPU whose peak is known."""
        if not machine.gpus or self.flops_per_token is None:
            return None
        peak = peak_flops(machine.gpus[0].name, self.resolved.dtype)
        return utilisation(tokens_per_second / self.devices, self.flops_per_token, peak)

    def to_json(self) -> Json:
        """The JSON of plan.json."""
        return {**plain(self), "memory_needed": self.memory.needed if self.memory else None}


def make(
    request: Request, resolved: Resolved, machine: Machine, speed: Callable[[], Speed] = measure
) -> Plan:
    """Plan a training.

    Args:
        request: what is to be planned.
        resolved: the decisions of this machine.
        machine: its GPUs and memory.
        speed: of matrix products; asked only where a real model is trained on a CPU for the first time.

    Raises:
        ConfigError: trainer.fit=auto on a number of GPUs that does not divide the rows of a step.
    """
    reasons = dict(resolved.reasons)
    memory = memory_of(request, resolved, machine)
    used = machine.gpus[: request.devices]
    free = min((gpu.usable_bytes for gpu in used), default=machine.ram_available)
    recipe = _recipe(request, resolved, machine, free, memory, reasons)
    trainer = recipe.trainer
    decided = replace(resolved, gradient_checkpointing=recipe.checkpointing, reasons=reasons)
    rows = request.lengths.train
    sequences = lengths.sequences(rows, trainer.max_length) if trainer.packing else len(rows)
    steps = schedule(trainer, sequences, request.devices)
    tokens = _trained(rows, sequences, steps)
    rate = last_rate(request.artifacts, machine, _like(request, resolved))
    if rate is None and _on_cpu(resolved, machine):
        rate = _reckoned(request, decided, trainer, speed())
    needs = memory(recipe) if memory else None
    seconds = rate.seconds(tokens, _validated(request.lengths, trainer, steps)) if rate else None
    room = disk_of(request, resolved, trainer)
    there = free_bytes(request.artifacts)
    return Plan(
        resolved=decided, trainer=trainer, schedule=steps, devices=request.devices,
        exact=request.lengths.exact, longest=max(rows, default=0), tokens=tokens,
        flops_per_token=_flops(request), padding_ratio=cost.padding_of(trainer, rows),
        memory=needs, memory_free=free, disk=room, disk_free=there,
        seconds=seconds, rate=rate,
        problems=(
            *problems.beyond_context(
                _longest(request.lengths, trainer), request.context, request.lengths.exact
            ),
            *problems.slow(seconds, steps.steps, is_small(request.shape), machine),
            *problems.of_devices(used),
            *problems.of_disk(room, there, request.artifacts),
            *problems.of_memory(recipe, memory, resolved.engine == "unsloth", free, machine),
        ),
    )  # fmt: skip


def _recipe(
    request: Request, resolved: Resolved, machine: Machine, free: int, memory: Memory | None,
    reasons: dict[str, str],
) -> Recipe:  # fmt: skip
    """The recipe as it will run."""
    trainer = _optimizer(request.trainer, machine, reasons)
    recipe = Recipe(trainer, resolved.gradient_checkpointing, resolved.load_in_4bit)
    if memory is not None:
        if trainer.fit == "auto":
            return _fit(recipe, request, resolved, machine, free, memory, reasons)
        if _on_cpu(resolved, machine) and request.engine.gradient_checkpointing == "auto":
            return _recomputed_if_needed(recipe, free, memory, reasons)
    elif trainer.padding_free is None:
        reasons["batch"] = "batches as written, padded: the sizes of this model are not known"
        return replace(recipe, trainer=replace(trainer, padding_free=False))
    return recipe


def _on_cpu(resolved: Resolved, machine: Machine) -> bool:
    """Whether a real model computes on the processor."""
    return resolved.scale == "full" and not machine.gpus


def _reckoned(request: Request, resolved: Resolved, trainer: TrainerConfig, speed: Speed) -> Rate | None:
    """How fast a processor of that speed trains; None where sizes are not known."""
    if (per_token := _flops(request)) is None:
        return None
    passes = cost.PASSES[resolved.gradient_checkpointing]
    padding = cost.padding_of(trainer, request.lengths.train)
    return reckoned(speed.of(resolved.dtype), per_token, passes, padding)


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


def _optimizer(trainer: TrainerConfig, machine: Machine, reasons: dict[str, str]) -> TrainerConfig:
    """Paged optimizers move their states between a GPU and its host; the unpaged ones compute the same."""
    unpaged: dict[str, Optimizer] = {"paged_adamw_32bit": "adamw_torch", "paged_adamw_8bit": "adamw_8bit"}
    if machine.gpus or trainer.optimizer not in unpaged:
        return trainer
    chosen = unpaged[trainer.optimizer]
    reasons["optimizer"] = (
        f"{chosen}: there is no GPU to page to, and {trainer.optimizer} computes the same where there is"
    )
    return replace(trainer, optimizer=chosen)


def _fit(
    recipe: Recipe, request: Request, resolved: Resolved, machine: Machine, free: int,
    memory: Memory, reasons: dict[str, str],
) -> Recipe:  # fmt: skip
    kinds: tuple[Checkpointing, ...] = (resolved.gradient_checkpointing,)
    if request.engine.gradient_checkpointing == "auto":
        kinds = ("off", "standard", *(("unsloth",) if resolved.engine == "unsloth" else ()))
    varlen = resolved.engine == "unsloth"  # FlashAttention, xformers, or plain attention row by row
    of_step = cost.step_cost(
        request.lengths.train, request.shape, request.adapter, resolved.dtype, machine, varlen
    )
    room = int(free * _MEMORY_FOR_AUTO)
    chosen = fit.fastest(recipe, kinds, request.devices, room, memory, of_step)
    trainer = chosen.trainer
    reasons["batch"] = (
        f"{trainer.per_device_batch_size} rows x {trainer.gradient_accumulation_steps} accumulated, "
        f"{_batching(trainer, varlen)}: the least work per step that fits {size(room)}"
    )
    if len(kinds) > 1:
        reasons["gradient_checkpointing"] = (
            "activations fit" if chosen.checkpointing == "off" else "activations would not fit otherwise"
        )
    return chosen


def _batching(trainer: TrainerConfig, varlen: bool) -> str:
    if trainer.padding_free or trainer.packing:
        return "joined without padding"
    if trainer.per_device_batch_size == 1:
        return "one at a time"
    return "padded" if varlen else "padded (plain attention costs more on joined rows)"


def _trained(rows: tuple[int, ...], sequences: int, steps: Schedule) -> int:
    """Tokens in all steps; exact for whole epochs, else the mean row counts."""
    per_sequence = sum(rows) / max(sequences, 1)
    per_epoch = -(-sequences // steps.rows_per_step)
    whole, rest = divmod(steps.steps, max(per_epoch, 1))
    return round(whole * sum(rows) + rest * steps.rows_per_step * per_sequence)


def _validated(rows: Lengths, trainer: TrainerConfig, steps: Schedule) -> float:
    """Tokens of all validations, the one before step 1 included, and of the test."""
    times = 1 + steps.steps // steps.eval_steps
    return times * _some(rows.validation, trainer.validation_rows) + _some(rows.test, trainer.test_rows)


def _some(rows: tuple[int, ...], most: int | None) -> float:
    """Tokens of at most ``most`` of the rows, expected."""
    return sum(rows) * min(1.0, (most or len(rows)) / max(len(rows), 1))


def _like(request: Request, resolved: Resolved) -> Json:
    return {
        "model": request.model.name,
        "engine": resolved.engine,
        "scale": resolved.scale,
        "devices": request.devices,
    }
