"""Checksums of verified merged files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from medft.errors import MergeError


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in ``folder``, by name; hidden ones are nobody's weights."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return {path.name: _digest(path) for path in files}


def check_digests(folder: Path, checked: Mapping[str, str]) -> None:
    """Refuse a folder that is not the one that was checked.

    Raises:
        MergeError: a file differs, is missing, or was added.
    """
    found = digests(folder)
    changed = sorted(name for name in found.keys() | checked if found.get(name) != checked.get(name))
    if changed:
        raise MergeError(
            f"these merged weights are not those that were checked: {', '.join(changed[:3])} changed since",
            where=str(folder),
            remedy="medft merge run=<this run> writes and checks them again",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
