"""Decides whether to shard the base: as requested, or if no single GPU can hold it."""

from __future__ import annotations

from typing import Literal

from medft import ranks
from medft.engine.base import EngineConfig
from medft.errors import ConfigError
from medft.format import size
from medft.machine import Machine
from medft.models.registry import Dtype, ShapeConfig
from medft.training.memory import CUDA_LIBRARIES, weight_bytes

Sharding = Literal["none", "fsdp"]

UNSLOTH = (
    "its FSDP2 runs under accelerate's launcher and patches torch where it gathers 4 bits, "
    "which cannot be proved before a GPU is there"
)
"""Why Unsloth's own sharding (2026.10.7, unsloth/models/fsdp2.py and fsdp2_qlora.py) is not used."""


def decide(
    config: EngineConfig,
    shape: ShapeConfig | None,
    dtype: Dtype,
    in_4bit: bool,
    machine: Machine,
    reasons: dict[str, str],
) -> Sharding:
    """Whether to shard; the reason is noted where it is done.

    Args:
        config: what was asked for.
        shape: of the base; None where that is not known, or where it is a tiny twin.
        dtype: of weights that are not in 4 bits.
        in_4bit: whether the base is.
        machine: the GPUs that train.
        reasons: by name of the decision.

    Raises:
        ConfigError: sharding was asked for, and one process trains alone.
    """
    processes = ranks.count()
    if config.sharding == "fsdp":
        if processes == 1:
            raise ConfigError(
                "'engine.sharding=fsdp' divides the base between processes, but there is only one",
                remedy="make train GPUS=4, or torchrun --standalone --nproc_per_node=4 -m medft train ...; "
                "a single process needs engine.sharding=none",
            )
        reasons["sharding"] = f"each of {processes} processes holds a shard of the base, as requested"
        return "fsdp"
    if config.sharding == "none" or processes == 1 or not machine.gpus or shape is None:
        return "none"
    smallest = min(machine.gpus, key=lambda gpu: gpu.usable_bytes)
    needed = weight_bytes(shape, dtype, in_4bit) + CUDA_LIBRARIES
    if needed <= smallest.usable_bytes:
        return "none"
    reasons["sharding"] = (
        f"the base takes {size(needed)}, and {smallest.name} has {size(smallest.usable_bytes)} free: "
        f"each of {processes} GPUs holds a shard"
    )
    return "fsdp"
