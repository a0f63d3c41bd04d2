"""Machines and settings that plans are made for, without any of them at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medft.compose import settings
from medft.machine import Gpu, Machine
from medft.plan.lengths import Lengths
from medft.plan.request import Request
from medft.plan.resolve import Resolved

CPU = Machine(gpus=(), cpu_cores=2, ram_total=16 * 10**9, ram_available=12 * 10**9)
T4 = Gpu("Tesla T4", 15_800_000_000, 15_300_000_000, (7, 5))
H200 = Gpu("NVIDIA H200", 150_000_000_000, 149_000_000_000, (9, 0))
A100 = Gpu("NVIDIA A100-SXM4-40GB", 42_500_000_000, 42_000_000_000, (8, 0))
P100 = Gpu("Tesla P100", 17_000_000_000, 16_000_000_000, (6, 0))


def machine(*gpus: Gpu) -> Machine:
    return Machine(gpus=gpus, cpu_cores=8, ram_total=64 * 10**9, ram_available=50 * 10**9)


def request(artifacts: Path, *overrides: str, lengths: Lengths | None = None, devices: int = 1) -> Request:
    config = settings("train", overrides)
    return Request(
        config.model, config.trainer, config.lora, config.engine, config.model.shape,
        lengths or Lengths(tuple(range(2048, 0, -1)), (1000,) * 20, (1000,) * 20, exact=True),
        artifacts, merge=True, context=config.model.context_length, devices=devices,
    )  # fmt: skip


def resolved(**changes: Any) -> Resolved:
    values = {
        "engine": "unsloth", "scale": "full", "dtype": "bfloat16", "gradient_checkpointing": "unsloth",
        "load_in_4bit": True,
        "reasons": {"engine": "because"},
    }  # fmt: skip
    return Resolved(**(values | changes))
