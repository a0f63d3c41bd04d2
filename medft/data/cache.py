"""Finds the prepared folder of given data and settings, and locks it for writing.

The fingerprint covers everything that a prepared data set is made from.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from medft.config import plain
from medft.data.config import DatasetConfig
from medft.data.readers.registry import HUB
from medft.data.readers.sources import files_of
from medft.errors import DataError

NOT_COUNTED = frozenset({"path", "decontaminate", "homepage", "obtain", "license_note", "processes"})
"""Settings that change no row: places of files, whose bytes are what counts, words for people, and how many
processes do the work."""


def fingerprint(config: DatasetConfig, seed: int, sources: dict[str, str]) -> str:
    """A digest of all that decides what a prepared data set holds.

    Args:
        config: what to read and how; places of files do not count, their bytes do.
        seed: of the split and of rows that are drawn.
        sources: ``source_fingerprint`` of each member.
    """
    held_out = _file_digest(config.decontaminate) if config.decontaminate else None
    return digest([without_places(config), seed, sources, held_out, code_version(Path(__file__).parent)])


def source_fingerprint(config: DatasetConfig) -> str:
    """A digest of the bytes of a data set's files, or the commit of a hub data set (see ``pins``)."""
    if config.reader == HUB:
        return config.revision or ""
    total = hashlib.sha256()
    for path in files_of(config):
        total.update(_file_digest(path).encode())
        total.update(path.name.encode())
    return total.hexdigest()


def without_places(config: DatasetConfig) -> dict[str, object]:
    """Settings that decide what rows there are."""
    values: dict[str, object] = plain(config)
    values["sources"] = {name: without_places(member) for name, member in config.sources.items()}
    return {name: value for name, value in values.items() if name not in NOT_COUNTED}


def digest(value: object) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


@lru_cache
def code_version(package: Path) -> str:
    """A digest of the source of a package, so that a changed rule never meets old results."""
    files = sorted(path for path in package.rglob("*.*") if path.suffix != ".pyc")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold ``path`` against other processes; the system lets go of it when this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A full or unwritable disk as one clear error."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            "the disk is full" if full else f"prepared data cannot be written: {error.strerror}",
            where=str(folder),
            remedy="free some space, or name another folder for prepared data",
        ) from error
