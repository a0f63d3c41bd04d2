"""Checks that a folder is a complete checkpoint that is safe to load: configuration, safetensors, every
shard.

Every room that loads, merges or publishes weights asks here: ``check_checkpoint``, ``check_weights``,
``check_whole``, ``check_adapter``, ``shards_of``, ``refuse_pickles``. Of weights, it reads the headers alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from medft.errors import EngineError

What = Literal["model", "adapter", "tokenizer"]

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")  # loading one of them can run code
_CONFIG: dict[What, str] = {
    "model": "config.json",
    "adapter": "adapter_config.json",
    "tokenizer": "tokenizer_config.json",
}
_LARGEST_RANK, _LARGEST_SCALE = 65_536, 1e12  # as lora.r and lora.alpha may be


def check_checkpoint(folder: Path, what: What = "model") -> None:
    """Refuse a folder that is not a whole checkpoint in safetensors.

    Raises:
        EngineError: no configuration, or as ``check_weights``.
    """
    if not (folder / _CONFIG[what]).is_file():
        raise EngineError(
            f"this folder contains no {what}: {_CONFIG[what]} is missing",
            where=str(folder),
            remedy=_meant(folder) or "point to the folder that save_pretrained wrote",
        )
    if what != "tokenizer":
        check_weights(folder)


def _meant(folder: Path) -> str:
    """The checkpoint that was probably meant by a folder which is none; empty where nothing suggests one."""
    inside = next((path.parent for path in sorted(folder.glob("[!.]*/config.json"))), None)
    file = next(iter(sorted(folder.glob("*.gguf"))), None)
    if (folder / "adapter_config.json").is_file():
        return "it holds an adapter: point to its base, or to merged/ of the run"
    return f"use {inside or file}" if inside or file else ""


def check_weights(folder: Path) -> None:
    """Refuse a folder without safetensors, or with an index that cannot be followed.

    Raises:
        EngineError: weights only as pickle, no weights, or as ``shards_of``.
    """
    if not any(file.is_file() for file in folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.glob("*") if _is_pickle(path))
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
        shards_of(index)


def check_whole(folder: Path) -> None:
    """Refuse weights whose files are cut, or no safetensors at all, by what their headers promise.

    Raises:
        EngineError: names the file.
    """
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        if not file.is_file():  # a pipe would be waited for without end
            raise EngineError(f"{file.name} is not a file", where=str(file), remedy="fetch or copy it again")
        try:
            with safe_open(file, "numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise EngineError(
                f"{file.name} is damaged: {str(error)[:120]}",
                where=str(file),
                remedy="fetch or copy it again",
            ) from None


def check_adapter(folder: Path) -> None:
    """Refuse what is no whole LoRA adapter in safetensors.

    Raises:
        EngineError: as ``check_checkpoint`` and ``check_whole``, or it is an adapter of another kind.
    """
    check_checkpoint(folder, "adapter")
    check_whole(folder)
    file = folder / _CONFIG["adapter"]
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        kind = config.get("peft_type")
    except (ValueError, AttributeError, RecursionError):
        raise EngineError(
            f"{file.name} is damaged", where=str(file), remedy="copy the adapter again"
        ) from None
    if kind not in (None, "LORA"):
        raise EngineError(f"this is an adapter of type {str(kind)[:40]}, not LORA", where=str(file))
    if problem := adapter_problem(config):
        raise EngineError(problem, where=str(file), remedy="copy the adapter again, or train it anew")


def adapter_problem(config: Mapping[str, Any]) -> str:
    """What is wrong with the numbers of an adapter_config.json; empty where nothing is."""
    numbers = {key: config[key] for key in ("r", "lora_alpha") if key in config}
    for pattern in ("rank_pattern", "alpha_pattern"):
        if isinstance(values := config.get(pattern), dict):
            numbers |= {f"{pattern} of {name}": value for name, value in values.items()}
    for name, value in numbers.items():
        most = _LARGEST_RANK if name.startswith("r") else _LARGEST_SCALE
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            return f"{name[:80]} is {str(value)[:40]}, which is not a valid number"
    return ""


def shards_of(index: Path) -> dict[Path, set[str]]:
    """The files that an index names, in the order of their names, each with the tensors promised to be in it.

    Raises:
        EngineError: the index is damaged, or a file is a pickle, missing, or outside of the folder.
    """
    shards: dict[Path, set[str]] = {}
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"].items()
        for shard, tensor in sorted((shard, tensor) for tensor, shard in places):
            shards.setdefault(_beside(index, shard), set()).add(tensor)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EngineError("the list of weight shards is damaged", where=str(index)) from None
    return shards


def _beside(index: Path, shard: str) -> Path:
    if Path(shard).name != shard:
        raise EngineError(
            f"the list of weight shards points outside of its folder: {shard!r}", where=str(index)
        )
    if _is_pickle(Path(shard)):
        raise EngineError(
            f"the list of weight shards names a pickle: {shard}", where=str(index), remedy="use safetensors"
        )
    if not (index.parent / shard).is_file():
        raise EngineError(
            f"the weight shard {shard} is missing",
            where=str(index.parent),
            remedy="fetch or copy it again",
        )
    return index.parent / shard


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with a pickle anywhere in it, whatever else it holds.

    Raises:
        EngineError: there is one.
    """
    pickled = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if _is_pickle(path))
    if pickled:
        raise EngineError(
            f"{pickled[0]} is a pickle, which can run code when it is loaded",
            where=str(folder),
            remedy="remove it from the folder; only safetensors are published",
        )


def window(folder: Path) -> int | None:
    """The longest sequence that the checkpoint in ``folder`` was made for, in tokens; None where it does not
    say."""
    tokens = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    return tokens if isinstance(tokens, int) else None


def _is_pickle(path: Path) -> bool:
    return path.suffix.lower() in _PICKLES
