"""Checks the files next to merged weights: configurations and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medft.errors import MergeError
from medft.merge.checkpoint import read_object
from medft.merge.inputs import Inputs
from medft.merge.sidecar_files import (
    CONFIG,
    GENERATION,
    as_ids,
    merged_config,
    merged_generation,
    tokenizer_files,
)
from medft.models.tokenizer_files import FILES


def check_sidecars(inputs: Inputs, merged: Path) -> None:
    """Check config.json, generation_config.json and the tokenizer beside the merged weights.

    Raises:
        MergeError: a setting that is not the base's, a trace of quantisation, a stop id missing, another
            tokenizer than the adapter's, no chat template, or a left-over adapter.
    """
    config, generation = read_object(merged / CONFIG), read_object(merged / GENERATION)
    _check_settings(config, merged_config(inputs, str(config.get("dtype"))), merged / CONFIG)
    expected = merged_generation(inputs)
    stops = set(as_ids(generation.get("eos_token_id")))
    missing = sorted(set(as_ids(expected["eos_token_id"])) - stops)
    if missing:
        raise MergeError(f"generation would not stop at the ids {missing}", where=str(merged / GENERATION))
    _check_settings(generation, expected, merged / GENERATION)
    if generation.get("pad_token_id") in stops:
        raise MergeError("the pad id also ends a generation", where=str(merged / GENERATION))
    _check_tokenizer(tokenizer_files(inputs.adapter, inputs.base), merged)
    stray = merged / "adapter_config.json"
    if stray.exists():
        raise MergeError("the folder of the merged weights also contains an adapter", where=str(stray))


def _check_settings(found: Mapping[str, object], expected: Mapping[str, object], where: Path) -> None:
    nothing = object()
    wrong = sorted(
        key for key in found.keys() | expected if found.get(key, nothing) != expected.get(key, nothing)
    )
    if wrong:
        raise MergeError(f"{where.name} is not the base's in: {', '.join(wrong)}", where=str(where))


def _check_tokenizer(expected: Mapping[str, Path], merged: Path) -> None:
    for name in FILES:
        if _content(expected.get(name)) != _content(merged / name):
            raise MergeError(
                f"the tokenizer is not the one that was trained with: {name} differs", where=str(merged)
            )
    if not _has_chat_template(merged):
        raise MergeError("the tokenizer has no chat template", where=str(merged))


def _content(path: Path | None) -> bytes | None:
    return path.read_bytes() if path and path.is_file() else None


def _has_chat_template(folder: Path) -> bool:
    files = any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json"))
    return files or bool(read_object(folder / "tokenizer_config.json").get("chat_template"))
