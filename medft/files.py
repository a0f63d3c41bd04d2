"""Safe writing: files and folders that appear whole or not at all, unused names, and locks on open files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from medft.errors import RunError

LARGEST = 64 << 20
"""Bytes of the largest file of settings or figures that is read."""
_ANOTHER = "name another file"
_FOREIGN = 24 * 3600
"""Seconds after which what another machine has left is taken for left by a dead process."""


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
    """Write a whole UTF-8 file: aside first, then renamed, so that no reader sees half of it; where ``path``
    is a link, the file that it leads to.

    Raises:
        RunError: a pipe, a device or a folder has that name: the renaming would remove it.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        raise RunError("this is a pipe, a device or a folder, not a file", where=str(path), remedy=_ANOTHER)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = _hidden(path, "part")
    try:
        # A name that is no UTF-8 stands in texts as halves of characters.
        with half.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """``write_text`` of ``value`` as indented JSON; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path, most: int = LARGEST) -> str:
    """A UTF-8 file of at most ``most`` bytes as text.

    Raises:
        RunError: it is a pipe or device, whose reader would wait for ever, or it is larger.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    with open(path, encoding="utf-8-sig", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise _damaged(path, "it is a pipe or a device")
        if found.st_size > most:
            raise _damaged(path, f"no such file has more than {most:,} bytes")
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        RunError: the file is missing, or holds no JSON object.
    """
    try:
        value = json.loads(read_text(path))
    except FileNotFoundError:
        raise RunError(f"{path.name} is missing", where=str(path), remedy="is this a medft folder?") from None
    except (ValueError, RecursionError) as error:
        why = "its values are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _damaged(path, why) from None
    if not isinstance(value, dict):
        raise _damaged(path, "it does not hold an object")
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
    with aside(path) as new:
        yield new
        old = _hidden(path, "old")
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` for as long as the block lasts; it stays if it has got a name of its
    own by then. What a killed process left is cleared away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_left(path.parent, path.name)
    new = _hidden(path, "part")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def take_name(folder: Path, path: Path, describe: Callable[[Path], object] = lambda name: None) -> Path:
    """Rename ``folder`` to the first of the numbered names of ``path`` that nothing has yet, and return it:
    two that do so at once get two names. ``describe`` is told each name before it is tried."""
    for name in numbered(path):
        describe(name)
        try:
            folder.rename(name)  # over an empty folder, never over one that holds something
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return name
    raise AssertionError("unreachable")


def hide(path: Path) -> Path:
    """Rename ``path`` to a name that ``clear_left`` removes should this process be killed; returns it."""
    return path.rename(_hidden(path, "part"))


def clear_left(folder: Path, name: str = "") -> None:
    """Remove the halves that killed processes have left in ``folder``, of ``name`` or of everything there;
    what was killed between its two renames gets its old content back."""
    pattern = re.compile(rf"\.({re.escape(name) or '.+'})\.(\w+)-(\d+)\.(part|old)")
    for left in folder.glob(".*"):
        found = pattern.fullmatch(left.name)
        if found is None or _at_work(left, found[2], int(found[3])):
            continue
        whole = folder / found[1]
        if found[4] == "old" and not whole.exists():
            left.rename(whole)
        elif left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _hidden(path: Path, kind: Literal["part", "old"]) -> Path:
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}.{kind}")


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname()) or "_"


def _at_work(left: Path, host: str, process: int) -> bool:
    """Whether somebody may still be writing there: process ids of another machine, which may share the file
    system, say nothing here, so that its halves stay for a day."""
    if host != _host():
        with contextlib.suppress(OSError):
            return time.time() - left.lstat().st_mtime < _FOREIGN
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
