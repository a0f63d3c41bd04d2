"""medft plan: what `medft train` with the same words would do, and whether it fits (dry run).

The story of `medft train` up to its first heavy step: decisions, rows, figures. What is not on this machine
is not downloaded; the figures are then what they can come to at most.
"""

from __future__ import annotations

from pathlib import Path

from medft.data.prepare import Prepared, prepare
from medft.data.record import SPLITS
from medft.format import duration, size
from medft.machine import probe
from medft.models.base_models import base_at_hand, training_base
from medft.plan.lengths import bound, read
from medft.plan.resolve import Resolved, resolve
from medft.plan.result import Plan
from medft.screen import Screen
from medft.training.memory import Estimate
from medft.training.resume import expand
from medft.verbs.lines import announce, say_plan
from medft.verbs.steps import Tokens, decided, encode, plan_of
from medft.verbs.train_config import IDLE, MAIN, TrainConfig

__all__ = ["EXAMPLES", "IDLE", "MAIN", "PlanConfig", "expand", "run"]

EXAMPLES = (
    "medft plan model=mistral",
    "medft plan model=gemma trainer=fast trainer.max_length=4096",
    "medft plan experiment=mednli dataset.path=mednli",
)

PlanConfig = TrainConfig


def run(config: PlanConfig) -> int:
    """Show what a run would do here.

    Returns:
        The exit code: 1 when it could not succeed.

    Raises:
        MedftError: settings or data that a run would refuse.
    """
    screen = Screen()
    resolved = resolve(config.model, config.engine, config.scale, probe())
    config = decided(config, resolved)
    prepared = prepare(config.dataset, seed=config.seed, processed=config.processed)
    announce(screen, config, resolved, prepared)
    with screen.chatter_to(config.artifacts / "plan.log"):
        plan, tokens = figures(config, resolved, prepared)
    say_plan(screen, plan, tokens.splits if tokens else {})
    _say_details(screen, plan)
    return int(any(problem.certain for problem in plan.problems))


def figures(config: PlanConfig, resolved: Resolved, prepared: Prepared) -> tuple[Plan, Tokens | None]:
    """The plan of a training, and its rows as token ids, where its tokenizer is on this machine."""
    base = _at_hand(config, resolved)
    tokens = encode(config, prepared, base) if base else None
    if tokens:
        lengths = read(tokens.splits)
    else:
        lengths = bound({name: prepared.rows(name) for name in SPLITS}, config.trainer.max_length)
    return plan_of(config, resolved, lengths, base), tokens


def _at_hand(config: PlanConfig, resolved: Resolved) -> Path | None:
    """The folder of the base, where that needs no download."""
    if resolved.scale == "full":
        return base_at_hand(config.model, resolved.load_in_4bit)
    return training_base(config.model, resolved.scale, resolved.load_in_4bit, config.artifacts).folder


def _say_details(screen: Screen, plan: Plan) -> None:
    if not plan.exact:
        screen.line(
            "rows",
            f"not tokenized (tokenizer not downloaded); assuming {plan.longest:,} tokens per row",
        )
    else:
        screen.line("rows", f"of up to {plan.longest:,} tokens; {_padding(plan)}")
    if plan.memory is None:
        screen.line(
            "memory",
            "unknown: not a Llama-like architecture, or config.json is not available now",
        )
    else:
        screen.line(
            "memory",
            f"{size(plan.memory.needed)} of {size(plan.memory_free)} free{_each(plan)}: "
            + _parts(plan.memory),
        )
    if plan.disk is not None:
        disk = plan.disk
        screen.line(
            "disk",
            f"{size(disk.run)} of {size(plan.disk_free)} free: checkpoints {size(disk.checkpoints)}, "
            f"merged {size(disk.merged)}" + (f"; {size(disk.download)} to download" if disk.download else ""),
        )
    screen.line("time", _time(plan))


def _padding(plan: Plan) -> str:
    if plan.padding_ratio == 1:
        return "almost no padding"
    return f"{1 - 1 / plan.padding_ratio:.0%} of the computation is padding (trainer=fast has less)"


def _each(plan: Plan) -> str:
    return f" on each of {plan.devices} GPUs" if plan.resolved.sharding == "fsdp" else ""


def _parts(memory: Estimate) -> str:
    parts = {
        "base": memory.weights, "gathered": memory.gathered, "adapter": memory.adapter,
        "gradients": memory.gradients, "optimizer": memory.optimizer, "activations": memory.activations,
        "logits or backward": memory.working, "validation": memory.validation, "libraries": memory.libraries,
    }  # fmt: skip
    return ", ".join(f"{name} {size(part)}" for name, part in parts.items() if part)


def _time(plan: Plan) -> str:
    if plan.seconds is None or plan.rate is None:
        return "unknown until this model has run here once"
    return f"about {duration(plan.seconds)}, at {plan.rate.words}"
