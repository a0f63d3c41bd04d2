"""Encoded splits -> the rows that the trainer takes, packed and ordered."""

from __future__ import annotations

from collections.abc import Mapping

from datasets import Dataset
from trl.data_utils import pack_dataset

from medft.prompt.tokens import EncodedSplit
from medft.training.config import TrainerConfig


def make(splits: Mapping[str, EncodedSplit], config: TrainerConfig, seed: int) -> dict[str, Dataset]:
    """The rows of every split that has some."""
    most = {"validation": config.validation_rows, "test": config.test_rows}
    rows = {name: load(split, most.get(name)) for name, split in splits.items() if split.rows}
    for name in rows.keys() - {"train"}:  # their order changes no figure: long ones first, little padding
        rows[name] = rows[name].sort("length", reverse=True)
    if config.packing:
        rows["train"] = pack(rows["train"], config.max_length, seed)
    return rows


def load(split: EncodedSplit, most: int | None = None) -> Dataset:
    """The encoded rows, mapped from disk; ``most`` of them, drawn alike whatever the run's seed, so that runs
    are judged on the same rows."""
    rows = Dataset.from_file(str(split.path))
    return rows.shuffle(seed=0).select(range(most)) if most and most < len(rows) else rows


def pack(rows: Dataset, max_length: int, seed: int) -> Dataset:
    """Rows put together into sequences of at most ``max_length`` tokens, best fit decreasing, never cut.

    Shuffled first, so that neighbours in the source do not share a sequence; every row keeps positions of its
    own, so that attention and loss stay within it.
    """
    lists = rows.select_columns(["input_ids", "labels", "answer_bytes"]).shuffle(seed=seed)
    packed = pack_dataset(lists, max_length, "bfd", {"desc": "packing"})
    return packed.map(lambda row: {"length": len(row["input_ids"])})
