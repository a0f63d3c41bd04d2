"""The schedule of a run: its steps, validations and checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medft.training.config import TrainerConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many steps a run has and when it validates and saves."""

    steps: int
    """Optimizer steps."""
    rows_per_step: int
    """Rows (or packed sequences) per optimizer step, over all devices."""
    eval_steps: int
    """Steps between validations."""
    save_steps: int
    """Steps between checkpoints."""


def schedule(config: TrainerConfig, rows: int, devices: int = 1) -> Schedule:
    """Count the steps of a run over ``rows`` training rows (or packed sequences)."""
    per_step = config.per_device_batch_size * config.gradient_accumulation_steps * devices
    batches = math.ceil(rows / (config.per_device_batch_size * devices))
    per_epoch = max(math.ceil(batches / config.gradient_accumulation_steps), 1)
    steps = config.max_steps or max(math.ceil(per_epoch * config.epochs), 1)
    # The best checkpoint is chosen among validated ones, so a lone save_steps sets both.
    wanted = config.eval_steps or (config.save_steps if config.keep == "best" else None)
    eval_steps = min(wanted or math.ceil(steps / 10), steps)
    return Schedule(steps, per_step, eval_steps, min(config.save_steps or eval_steps, steps))
