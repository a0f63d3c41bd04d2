"""What will run on this machine: engine, scale, compute type, checkpointing, each with its reason.

Owns one pure function of settings and machine. Loads nothing and never falls back from what was named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medft.engine.base import Checkpointing, EngineConfig, EngineName
from medft.errors import ConfigError, EngineError
from medft.machine import Machine
from medft.models.families import folder_of
from medft.models.registry import Dtype, ModelConfig

Scale = Literal["auto", "full", "tiny"]


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
    reasons: dict[str, str]
    """Why, by name of the decision, in plain words."""


def resolve(model: ModelConfig, engine: EngineConfig, scale: Scale, machine: Machine) -> Resolved:
    """Decide what the settings leave to the machine.

    Raises:
        EngineError: a named engine or scale=full that this machine cannot run.
        ConfigError: scale=tiny for a model of no or an unknown family; a compute type its family cannot take.
    """
    reasons: dict[str, str] = {}
    chosen_scale = _scale(model, scale, machine, reasons)
    chosen_engine = _engine(engine, machine, reasons)
    dtype = _dtype(model, machine, chosen_scale, reasons)
    checkpointing = _checkpointing(engine, chosen_engine, chosen_scale, reasons)
    return Resolved(chosen_engine, chosen_scale, dtype, checkpointing, reasons)


def _scale(
    model: ModelConfig, scale: Scale, machine: Machine, reasons: dict[str, str]
) -> Literal["full", "tiny"]:
    if scale == "full" and not machine.gpus:
        raise EngineError(
            "scale=full needs a CUDA GPU, and this machine has none that the driver lists",
            remedy="scale=tiny proves the pipeline here; train the real base on a machine with a GPU",
        )
    chosen: Literal["full", "tiny"] = (
        "full" if scale == "full" or (scale == "auto" and machine.gpus) else "tiny"
    )
    if chosen == "tiny" and model.family is not None:
        folder_of(model.family)  # a misspelt one is told before anything is read
    elif chosen == "tiny":
        raise ConfigError(
            f"model '{model.name}' has no tiny twin, and this run would need one",
            where=f"scale={scale}, {len(machine.gpus)} CUDA GPUs",
            remedy="scale=full on a GPU, or a family of its own: model.family=<folder>  (CONTRIBUTING.md)",
        )
    reasons["scale"] = {
        "full": "scale=full was asked for"
        if scale == "full"
        else f"CUDA GPU {machine.gpus[0].name}"
        if machine.gpus
        else "",
        "tiny": "2 layers: proves the pipeline, is not a medical model"
        + ("" if scale == "tiny" else " (scale=full on a GPU)"),
    }[chosen]
    return chosen


def _engine(config: EngineConfig, machine: Machine, reasons: dict[str, str]) -> EngineName:
    from medft.engine import engine

    if config.name == "transformers":
        reasons["engine"] = "engine=transformers was asked for"
        return "transformers"
    why_not = engine("unsloth").why_not()
    if config.name == "unsloth":
        if why_not:
            raise EngineError(
                f"engine=unsloth cannot run here: {why_not}", remedy="engine=transformers, or engine=auto"
            )
        reasons["engine"] = "engine=unsloth was asked for"
        return "unsloth"
    reasons["engine"] = why_not or f"CUDA GPU {machine.gpus[0].name}"
    return "transformers" if why_not else "unsloth"


def _dtype(model: ModelConfig, machine: Machine, scale: str, reasons: dict[str, str]) -> Dtype:
    if model.dtype == "float16" and model.forbids_float16:
        raise ConfigError(
            f"model '{model.name}' overflows in float16",
            where="model.dtype=float16",
            remedy="model.dtype=bfloat16, or float32 on a GPU older than Ampere",
        )
    if model.dtype is not None:
        reasons["dtype"] = f"model.dtype={model.dtype} was asked for"
        return model.dtype
    if machine.supports_bfloat16:
        reasons["dtype"] = "this hardware computes in bfloat16"
        return "bfloat16"
    if model.forbids_float16:
        reasons["dtype"] = "no bfloat16 on this GPU, and this family overflows in float16"
        return "float32"
    reasons["dtype"] = "no bfloat16 on this GPU"
    return "float16"


def _checkpointing(
    config: EngineConfig, engine: EngineName, scale: str, reasons: dict[str, str]
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
    reasons["gradient_checkpointing"] = "the safe choice for a model of this size"
    return "unsloth" if engine == "unsloth" else "standard"
