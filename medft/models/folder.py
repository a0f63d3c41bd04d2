"""Whether a folder is a whole checkpoint that may be loaded: configuration, safetensors, every shard.

Owns that check. Opens no weights and knows nothing of where the folder came from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from medft.errors import EngineError

What = Literal["model", "adapter", "tokenizer"]

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Suffixes of weight files whose loading can run code."""

_CONFIG: dict[What, str] = {
    "model": "config.json",
    "adapter": "adapter_config.json",
    "tokenizer": "tokenizer_config.json",
}


def check_checkpoint(folder: Path, what: What = "model") -> None:
    """Refuse a folder that is not a whole checkpoint in safetensors.

    Raises:
        EngineError: no configuration, weights only as pickle, no weights, or a shard that is missing or that
            the index looks for outside of the folder.
    """
    if not (folder / _CONFIG[what]).is_file():
        raise EngineError(
            f"this folder holds no {what}: {_CONFIG[what]} is missing",
            where=str(folder),
            remedy="point to the folder that save_pretrained wrote",
        )
    if what != "tokenizer":
        _check_weights(folder)


def _check_weights(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        if pickled:
            raise EngineError(
                "this folder holds its weights only as pickle, which can run code when it is loaded",
                where=f"{folder}: {', '.join(pickled[:3])}",
                remedy="convert it where you trust it: model.save_pretrained(folder) writes safetensors",
            )
        raise EngineError(
            "this folder holds no safetensors weights",
            where=str(folder),
            remedy="only safetensors checkpoints can be used",
        )
    for index in folder.glob("*.safetensors.index.json"):
        _check_index(index)


def _check_index(index: Path) -> None:
    """Every shard that the index names lies beside it."""
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        raise EngineError("the list of weight shards is damaged", where=str(index)) from None
    for shard in sorted(shards):
        if Path(shard).name != shard:
            raise EngineError(
                f"the list of weight shards points outside of its folder: {shard!r}", where=str(index)
            )
        if not (index.parent / shard).is_file():
            raise EngineError(
                f"the weight shard {shard} is missing",
                where=str(index.parent),
                remedy="fetch or copy it again",
            )
