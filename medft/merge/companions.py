"""The files that stand beside merged weights, so that plain transformers needs nothing else.

Owns config.json, generation_config.json and the tokenizer's files: which are copied from where, and what must
be changed in them. Knows nothing of weights.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medft.errors import MergeError
from medft.merge.checkpoint import read_object
from medft.runs import write_json

CONFIG, GENERATION = "config.json", "generation_config.json"
# What transformers' tokenizers read, over all families.
TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
# What a base says of its own storage or of where it lay; untrue of the merged weights.
_NOT_OURS = ("quantization_config", "torch_dtype", "_name_or_path", "_pre_quantization_dtype")


def write_config(base: Path, out: Path, dtype: str) -> None:
    """The base's config.json with the merged weights' ``dtype`` and without a trace of quantisation."""
    config = {key: value for key, value in read_object(base / CONFIG).items() if key not in _NOT_OURS}
    write_json(out / CONFIG, config | {"dtype": dtype})


def write_generation_config(base: Path, out: Path, stop_ids: Iterable[int]) -> list[int]:
    """The base's generation settings, stopping at its own stop ids and at ``stop_ids``; returns them all."""
    settings = read_object(base / GENERATION) if (base / GENERATION).is_file() else {}
    config = read_object(base / CONFIG)
    for key in ("bos_token_id", "pad_token_id"):
        if settings.get(key) is None and config.get(key) is not None:
            settings[key] = config[key]
    own = settings.get("eos_token_id", config.get("eos_token_id"))
    stops = list(dict.fromkeys([*as_ids(own), *stop_ids]))
    if not stops:
        raise MergeError("no stop id is known: generation would never end", where=str(base / GENERATION))
    settings["eos_token_id"] = stops if len(stops) > 1 else stops[0]
    settings.pop("_from_model_config", None)
    write_json(out / GENERATION, settings)
    return stops


def as_ids(value: Any) -> list[int]:
    """``eos_token_id`` as a list: configs hold an int, a list, or null."""
    if value is None:
        return []
    return [int(entry) for entry in value] if isinstance(value, list) else [int(value)]


def tokenizer_source(adapter: Path, base: Path) -> Path:
    """The folder the merged weights take their tokenizer from: the adapter's, or the base's where it has
    none.

    Raises:
        MergeError: neither has a tokenizer.
    """
    for folder in (adapter, base):
        if (folder / "tokenizer_config.json").is_file():
            return folder
    raise MergeError("neither the adapter nor the base holds a tokenizer", where=str(adapter))


def copy_tokenizer(adapter: Path, base: Path, out: Path) -> None:
    """Copy the tokenizer with its chat template."""
    source = tokenizer_source(adapter, base)
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)


def tokenizer_digest(folder: Path) -> str:
    """A fingerprint of the tokenizer's files in ``folder``, chat template included."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()
