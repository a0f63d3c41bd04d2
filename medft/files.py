"""Writing without loss: files and folders that appear whole or not at all, names that are not taken yet, and
locks on open files.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from medft.errors import RunError


def take(file: TextIO, *, shared: bool = False) -> bool:
    """Lock an open file if nobody holds it; ``shared`` only looks, beside others who look.

    The kernel gives the lock back when the last process that inherited the file ends, however it ends: unlike
    a process id, it means nothing else later, or in another container.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file: aside first, then renamed, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """``write_text`` of ``value`` as indented JSON; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        RunError: the file is missing, or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.name} is missing", where=str(path), remedy="is this a medft folder?") from None
    except (ValueError, RecursionError) as error:
        why = "its values are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _damaged(path, why) from None
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no group of values")
    return value


def _damaged(path: Path, why: str) -> RunError:
    return RunError(f"{path.name} is damaged: {why}", where=str(path), remedy="copy or make it again")


def stamp() -> str:
    """This second as the name of a folder: ``20261120-101500``."""
    return time.strftime("%Y%m%d-%H%M%S")


def numbered(path: Path) -> Iterator[Path]:
    """``path``, then ``path-2``, ``path-3`` and so on: the names to try until one is not taken."""
    return itertools.chain([path], (path.with_name(f"{path.name}-{n}") for n in itertools.count(2)))


def unused(path: Path) -> Path:
    """The first of the numbered names of ``path`` that nothing has yet."""
    return next(name for name in numbered(path) if not name.exists())


def folder_size(folder: Path) -> int:
    """Bytes of all files in ``folder``."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the name ``path`` when the block ends well, replacing what was there; on an
    error nothing is left behind and the old folder stays. What a killed process left is cleared away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    aside, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("part", "old"))
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        if path.exists():
            path.rename(old)
        aside.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _clear_abandoned(path: Path) -> None:
    """Remove the halves of ``path`` whose process is gone; one killed between its two renames gets its old
    folder back."""
    for left in path.parent.glob(".*"):
        found = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.(part|old)", left.name)
        if found is None or _lives(int(found[1])):
            continue
        if found[2] == "old" and not path.exists():
            left.rename(path)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
