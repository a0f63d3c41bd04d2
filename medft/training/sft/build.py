"""A loaded model, rows and settings -> the trainer of supervised fine-tuning, ready to run.

Import it only after the engine's ``activate``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback

from medft.engine import compat, modules
from medft.engine.trainer import Rows
from medft.training.config import TrainerConfig
from medft.training.inputs import Loaded, Training
from medft.training.sampler import GroupedByLength, SortedSteps
from medft.training.schedule import Schedule
from medft.training.sft.arguments import Compute, sft_config
from medft.training.sft.sharded import ShardedTrainer
from medft.training.sft.trainer import AnswerCollator, AnswerTrainer


def make(
    loaded: Loaded,
    rows: Mapping[str, Rows],
    training: Training,
    schedule: Schedule,
    callbacks: Sequence[TrainerCallback],
    *,
    validate_first: bool,
) -> AnswerTrainer:
    """The trainer of ``loaded``; see ``medft.training.objective``."""
    config, model, spec = training.config, loaded.model, loaded.spec
    cuda = torch.cuda.is_available() and next(model.parameters()).device.type == "cuda"
    if not cuda:
        compat.unnumber_cpu()
    arguments = sft_config(
        config,
        schedule,
        Compute(spec.dtype, spec.gradient_checkpointing, loaded.engine.loss_type(model), cuda),
        folder=training.folder.checkpoints,
        seed=training.seed,
        validate="validation" in rows,
        validate_first=validate_first,
    )
    if arguments.bf16 or arguments.fp16:
        modules.take_inputs_as_they_are(model)
    trainer = ShardedTrainer if spec.sharded else AnswerTrainer
    return trainer(
        model=model,
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows.get("validation"),
        processing_class=copy.deepcopy(loaded.tokenizer),  # trainers set its padding side and pad token
        data_collator=AnswerCollator(
            pad_token_id=loaded.tokenizer.pad_token_id,
            padding_free=bool(config.padding_free or config.packing),
        ),
        callbacks=list(callbacks),
        order=_order(rows["train"], config, schedule.rows_per_step, training.seed),
    )


def _order(rows: Rows, config: TrainerConfig, per_step: int, seed: int) -> Sampler[int] | None:
    """The order of the training rows; None for the trainer's own."""
    if config.group_by_length:
        return GroupedByLength(rows["length"], per_step, seed)
    if config.fit == "auto" and not config.packing:
        return SortedSteps(rows["length"], per_step, seed)
    return None
