"""Decides what runs on this machine: engine, scale, compute type, 4 bits, checkpointing, each with its
reason.

One function of settings and machine, which loads nothing and never falls back from what was named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from medft import ranks
from medft.engine.base import Checkpointing, EngineConfig, EngineName
from medft.errors import ConfigError, EngineError
from medft.machine import Machine
from medft.models.families import folder_of
from medft.models.registry import Dtype, ModelConfig, ShapeConfig, parameters
from medft.plan import sharding
from medft.plan.sharding import UNSLOTH, Sharding
from medft.plan.speed import Speed, measure

Scale = Literal["auto", "full", "tiny"]

SMALL = 400e6
"""Weights of the largest model that scale=auto trains on a CPU: on two cores about 100 tokens a second, so
that a hundred steps of 8 short rows take half an hour."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The decisions that depend on the machine."""

    engine: EngineName
    """Which code loads and trains."""
    scale: Literal["full", "tiny"]
    """The real base, or its tiny twin."""
    dtype: Dtype
    """Compute type, and type of what is not quantised."""
    gradient_checkpointing: Checkpointing
    """Whether activations are recomputed."""
    load_in_4bit: bool
    """Whether the frozen base is held in NF4 (QLoRA), or in 16 bits."""
    reasons: dict[str, str]
    """Why, by name of the decision, in plain words."""
    sharding: Sharding = "none"
    """Whether the processes that train hold a share of the base each, or all of it."""


def resolve(
    model: ModelConfig,
    engine: EngineConfig,
    scale: Scale,
    machine: Machine,
    speed: Callable[[], Speed] = measure,
) -> Resolved:
    """Decide what the settings leave to the machine.

    Args:
        model: the base.
        engine: how it is to be held and trained.
        scale: the real base or its twin.
        machine: GPUs or none.
        speed: of matrix products; asked only where a real model runs on a CPU.

    Raises:
        EngineError: a named engine that this machine cannot run, or that does not shard.
        ConfigError: sharding for one process; scale=tiny for a model of no or an unknown family; a compute
            type its family cannot take.
    """
    alike = sum(gpu.name == machine.gpus[0].name for gpu in machine.gpus)
    machine = machine.used_by(ranks.count())  # one process leaves all GPUs but the first alone
    reasons: dict[str, str] = {}
    real_or_tiny = _scale(model, scale, machine, reasons)
    on_cpu = real_or_tiny == "full" and not machine.gpus
    dtype = _dtype(model, machine, speed if on_cpu else None, reasons)
    in_4bit = _in_4bit(engine, on_cpu, reasons)
    shape = model.shape if real_or_tiny == "full" else None
    divided = sharding.decide(engine, shape, dtype, in_4bit, machine, reasons)
    chosen_engine = _engine(engine, divided, machine, reasons)
    if real_or_tiny == "full" and alike > len(machine.gpus):
        launch = f"torchrun --standalone --nproc_per_node={alike} -m medft train ..."
        reasons["engine"] += f", {len(machine.gpus)} of {alike} ({launch} takes all)"
    checkpointing = _checkpointing(engine, chosen_engine, real_or_tiny, on_cpu, reasons)
    return Resolved(chosen_engine, real_or_tiny, dtype, checkpointing, in_4bit, reasons, divided)


def chosen_scale(
    scale: Scale, family: str | None, shape: ShapeConfig | None, gpus: bool
) -> Literal["full", "tiny"]:
    """The real model or its twin. ``auto`` takes the real one on a GPU, and on a CPU where it has at most
    ``SMALL`` weights or no twin."""
    if scale != "auto":
        return scale
    return "full" if gpus or family is None or is_small(shape) else "tiny"


def is_small(shape: ShapeConfig | None) -> bool:
    """Whether a model is known to have at most ``SMALL`` weights."""
    return shape is not None and parameters(shape) <= SMALL


def _scale(
    model: ModelConfig, scale: Scale, machine: Machine, reasons: dict[str, str]
) -> Literal["full", "tiny"]:
    chosen = chosen_scale(scale, model.family, model.shape, bool(machine.gpus))
    if chosen == "tiny" and model.family is not None:
        folder_of(model.family)  # a misspelt one is told before anything is read
    elif chosen == "tiny":
        raise ConfigError(
            f"model '{model.name}' has no tiny twin",
            where="scale=tiny",
            remedy="omit scale to train the real model, even on a CPU; or give it a family of its"
            " own: model.family=<folder>  (CONTRIBUTING.md)",
        )
    if scale != "auto":
        reasons["scale"] = f"scale={scale} as requested"
    elif chosen == "tiny":
        reasons["scale"] = (
            "2 layers, to show that the pipeline works; not a medical model (real on a CPU: up to "
            f"{SMALL / 1e6:.0f}M parameters, such as model=smollm2)"
        )
    elif machine.gpus:
        reasons["scale"] = f"CUDA GPU {machine.gpus[0].name}"
    else:
        why = f"at most {SMALL / 1e6:.0f}M weights" if is_small(model.shape) else "it has no tiny twin"
        reasons["scale"] = f"{why}, so the real model is trained, on the CPU"
    return chosen


def _in_4bit(config: EngineConfig, on_cpu: bool, reasons: dict[str, str]) -> bool:
    if config.load_in_4bit is not None:
        reasons["load_in_4bit"] = f"engine.load_in_4bit={str(config.load_in_4bit).lower()} as requested"
        return config.load_in_4bit
    reasons["load_in_4bit"] = (
        "16-bit LoRA: dequantizing for every product is slow on a CPU"
        if on_cpu
        else "QLoRA: a quarter of the memory"
    )
    return not on_cpu


def _engine(config: EngineConfig, divided: Sharding, machine: Machine, reasons: dict[str, str]) -> EngineName:
    from medft.engine import engine

    if config.name == "transformers":
        reasons["engine"] = "engine=transformers as requested"
        return "transformers"
    why_not = engine("unsloth").why_not()
    if divided == "fsdp":
        why_not = why_not or f"it does not shard in medft: {UNSLOTH}"
    if config.name == "unsloth":
        if why_not:
            raise EngineError(
                f"engine=unsloth cannot run here: {why_not}", remedy="engine=transformers, or engine=auto"
            )
        reasons["engine"] = "engine=unsloth as requested"
        return "unsloth"
    reasons["engine"] = why_not or f"CUDA GPU {machine.gpus[0].name}"
    return "transformers" if why_not else "unsloth"


def _dtype(
    model: ModelConfig, machine: Machine, speed: Callable[[], Speed] | None, reasons: dict[str, str]
) -> Dtype:
    if model.dtype == "float16" and model.forbids_float16:
        raise ConfigError(
            f"model '{model.name}' overflows in float16",
            where="model.dtype=float16",
            remedy="model.dtype=bfloat16, or float32 on a GPU older than Ampere",
        )
    if model.dtype is not None:
        reasons["dtype"] = f"model.dtype={model.dtype} as requested"
        return model.dtype
    if speed is not None:
        measured = speed()
        reasons["dtype"] = f"faster on this CPU: {measured}"
        return measured.faster
    if machine.supports_bfloat16:
        reasons["dtype"] = "this hardware supports bfloat16"
        return "bfloat16"
    if model.forbids_float16:
        reasons["dtype"] = "no bfloat16 on this GPU, and this family overflows in float16"
        return "float32"
    reasons["dtype"] = "no bfloat16 on this GPU"
    return "float16"


def _checkpointing(
    config: EngineConfig, engine: EngineName, scale: str, on_cpu: bool, reasons: dict[str, str]
) -> Checkpointing:
    if config.gradient_checkpointing != "auto":
        if config.gradient_checkpointing == "unsloth" and engine != "unsloth":
            raise ConfigError(
                "engine.gradient_checkpointing=unsloth needs the unsloth engine; transformers was resolved",
                where=reasons["engine"],
                remedy="engine.gradient_checkpointing=standard",
            )
        reasons["gradient_checkpointing"] = "asked for"
        return config.gradient_checkpointing
    if scale == "tiny":
        reasons["gradient_checkpointing"] = "a tiny twin's activations fit"
        return "off"
    if on_cpu:
        reasons["gradient_checkpointing"] = "recomputation would cost 50% more time"
        return "off"
    reasons["gradient_checkpointing"] = "the safe choice for a model of this size"
    return "unsloth" if engine == "unsloth" else "standard"
