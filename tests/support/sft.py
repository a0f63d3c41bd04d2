"""A small SFT run for tests of engines: given token ids, with medft's own arguments, collator and trainer."""

from __future__ import annotations

import copy
import dataclasses
import random
from pathlib import Path
from typing import Any

Row = dict[str, list[int]]


def rows(count: int, seed: int = 0, vocabulary: int = 300, longest: int = 40) -> list[Row]:
    """Encoded rows of different lengths; about the first third of each is a prompt (label -100)."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        ids = [draw.randrange(10, vocabulary) for _ in range(draw.randrange(9, longest))]
        prompt = len(ids) // 3
        labels = [-100] * prompt + ids[prompt:]
        sizes = [0] * prompt + [2] * (len(ids) - prompt - 1) + [-1]  # the last is the stop token
        made.append({"input_ids": ids, "labels": labels, "answer_bytes": sizes})
    return made


def packed(examples: list[Row], per_sequence: int) -> list[Row]:
    """``per_sequence`` consecutive rows joined into one, with their lengths."""
    groups = [examples[i : i + per_sequence] for i in range(0, len(examples), per_sequence)]
    return [
        {
            **{column: [value for row in group for value in row[column]] for column in group[0]},
            "seq_lengths": [len(row["input_ids"]) for row in group],
        }
        for group in groups
    ]


def trainer(
    model: Any, tokenizer: Any, examples: list[Row], folder: Path, *, in_order: bool = False, **recipe: Any
) -> Any:
    """medft's trainer (on top of Unsloth's, where that is active) over ``examples``, one epoch.

    Args:
        in_order: take the rows as they come instead of shuffled.
        recipe: fields of medft's TrainerConfig; ``bf16`` computes under bfloat16 autocast, ``loss_type`` is
            TRL's.
    """
    from datasets import Dataset

    from medft.training.config import TrainerConfig
    from medft.training.schedule import schedule
    from medft.training.sft.arguments import Compute, sft_config
    from medft.training.sft.trainer import AnswerCollator, AnswerTrainer

    bf16, loss_type = recipe.pop("bf16", False), recipe.pop("loss_type", "nll")
    defaults = {"optimizer": "adamw_torch", "warmup_steps": 0, "learning_rate": 1e-3}
    config = TrainerConfig(**(defaults | recipe))
    args = sft_config(
        config,
        schedule(config, len(examples)),
        Compute("float32", "off", loss_type, cuda=False),
        folder=folder,
        seed=11,
        validate=False,
        validate_first=False,
    )
    args = dataclasses.replace(args, bf16=bf16, save_strategy="no")
    if in_order:
        args.train_sampling_strategy = "sequential"
    return AnswerTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(examples),
        processing_class=copy.deepcopy(tokenizer),  # as medft.training.sft.build does
        data_collator=AnswerCollator(
            pad_token_id=tokenizer.pad_token_id, padding_free=config.padding_free or config.packing
        ),
    )


def losses(trainer: Any) -> list[float]:
    """Loss of each step, as logged."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
