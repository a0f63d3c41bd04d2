"""The training objective: supervised fine-tuning. The only file outside its folder that names it.

Import nothing heavy here: the plan asks for memory before any library of training is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medft.training.sft.memory import estimate

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from medft.engine.trainer import Rows, Trainer
    from medft.prompt.tokens import EncodedSplit
    from medft.training.config import TrainerConfig
    from medft.training.inputs import Loaded, Training
    from medft.training.schedule import Schedule

__all__ = ["estimate", "make_rows", "make_trainer"]


def make_rows(splits: Mapping[str, EncodedSplit], config: TrainerConfig, seed: int) -> dict[str, Rows]:
    """The rows of every split that has some, in the form and order that the trainer takes them."""
    from medft.training.sft import rows

    return rows.make(splits, config, seed)


def make_trainer(
    loaded: Loaded,
    rows: Mapping[str, Rows],
    training: Training,
    schedule: Schedule,
    callbacks: Sequence[TrainerCallback],
    *,
    validate_first: bool,
) -> Trainer:
    """The trainer of ``loaded`` over rows that ``make_rows`` made; only after the engine's ``activate``."""
    from medft.training.sft import build

    return build.make(loaded, rows, training, schedule, callbacks, validate_first=validate_first)
