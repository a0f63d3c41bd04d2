"""``model=<hub id>``, ``model=./folder`` and ``model=file.gguf``: short for model=custom with that base."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from medft.paths import expanded

_HUB_ID = re.compile(r"[\w.\-]+/[\w.\-]+")


def spelled_out(overrides: Sequence[str], known: Collection[str]) -> list[str]:
    """``overrides`` with such a word as what it stands for.

    The run is named after the base, unless ``model.name`` is given.

    Args:
        overrides: of a command line.
        known: the options of the group ``model``, which come first.
    """
    return [part for override in overrides for part in _spelled_out(override, known, overrides)]


def _spelled_out(override: str, known: Collection[str], overrides: Sequence[str]) -> list[str]:
    key, _, value = override.partition("=")
    base = value.strip("'\"")
    if key != "model" or base in known or not _is_base(base):
        return [override]
    quoted = base.replace("\\", "\\\\").replace("'", "\\'")
    named = any(other.startswith("model.name=") for other in overrides)
    path = expanded(base)
    name = path.stem if base.lower().endswith(".gguf") else path.resolve().name
    return ["model=custom", f"model.base='{quoted}'", *([] if named else [f"model.name='{_plain(name)}'"])]


def _is_base(word: str) -> bool:
    """Whether a word can only be a GGUF file, a folder or a hub id."""
    if word.lower().endswith(".gguf") or word.startswith(("./", "../", "/", "~")) or word in (".", ".."):
        return True
    return _HUB_ID.fullmatch(word) is not None or (word != "" and Path(word).is_dir())


def _plain(name: str) -> str:
    return re.sub(r"[^\w.\-]+", "_", name)
