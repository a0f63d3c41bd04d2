"""Explains errors of the system and of libraries: what happened, to which file, and what to do.

``cli.main`` asks here about whatever no command has put into words itself; so does whoever goes on after an
error with the next of many. The developer's side of it is ``note``.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from medft.errors import MedftError
from medft.paths import cache_dir

_SYSTEM = {
    errno.ENOSPC: ("the disk is full", "free some space, or name a folder on another disk"),
    errno.EDQUOT: ("your share of the disk is full", "free some space, or name a folder on another disk"),
    errno.EROFS: ("this file system is read-only", "name another folder, as artifacts=... or processed=..."),
    errno.EACCES: ("permission denied", "ask its owner, or name another place"),
    errno.EPERM: ("permission denied", "ask its owner, or name another place"),
    errno.ENAMETOOLONG: ("this name is longer than the system permits", "use a shorter name or path"),
    errno.EFBIG: ("a file has grown beyond what is allowed here", "ulimit -f unlimited"),
    errno.EMFILE: ("too many files are open at once", "ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs"),
    errno.ENOENT: ("there is no such file", "check the path; it may have been removed meanwhile"),
    errno.ENOTDIR: ("this is not a folder", "check the path"),
    errno.EISDIR: ("this is a folder where a file is needed", "check the path"),
    errno.ELOOP: ("this link leads back to itself", "replace the link by the file"),
    errno.ENOMEM: ("this machine has too little memory", "end other programs, or raise ulimit -v"),
    errno.EIO: ("input/output error of the disk or terminal", "check the disk, and try again"),
}  # fmt: skip
"""What the system's errors mean, and what helps."""
_LIBRARIES = {
    "yaml": "this is not valid YAML",
    "json": "this is not valid JSON",
    "hydra": "the settings cannot be composed",
    "omegaconf": "the settings cannot be composed",
    "pyarrow": "this parquet or Arrow file is damaged",
    "safetensors": "these weights are damaged",
    "pandas": "this is not a table",
    "xml": "this is not valid XML",
    "zipfile": "this archive is damaged",
    "jinja2": "this template cannot be rendered",
    "httpx": "the network is not reachable",
    "requests": "the network is not reachable",
    "huggingface_hub": "the hub refused the request",
}
"""What went wrong where an error is a library's own kind, by the library."""
_REPEATS = ("pyarrow", "pandas", "xml")
"""Libraries whose messages may repeat what is in a file, which is nobody's business."""
_NO_ROOM = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")
"""What the loader says of a library that finds no room."""
_DAMAGED = "copy or download the file again, or correct it"
_HALF = re.compile(r"(?<=/)\.([^/\s]+)\.\w+-\d+\.(part|old)(?=\W|$)")
_LONGEST = 300  # characters of a library's message that are repeated
_PACKAGE = str(Path(__file__).parent)


def explained(error: BaseException) -> MedftError:
    """``error`` as one of medft's own, whatever it is."""
    if isinstance(error, MedftError):
        return error
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error.strerror):
        return MedftError(
            "no temporary file can be written: the disk is full, or its folder is missing",
            remedy="free some space, or TMPDIR=<a folder on another disk>",
        )
    if isinstance(error, FileNotFoundError) and not _stands_somewhere():
        return MedftError("the folder that this command was started in is gone", remedy="cd to another")
    if isinstance(error, OSError) and (isinstance(error.errno, int) or error.filename):
        what, remedy = _SYSTEM.get(error.errno or 0, (error.strerror or type(error).__name__, "try again"))
        return MedftError(what, where=_named(error) or _at_hand(error), remedy=remedy)
    if isinstance(error, MemoryError):
        return MedftError("out of memory", where=_at_hand(error), remedy=_SYSTEM[errno.ENOMEM][1])
    if isinstance(error, ImportError):
        first = _first_line(error)
        if any(words in first for words in _NO_ROOM):
            return MedftError("not enough memory to load a library", remedy=_SYSTEM[errno.ENOMEM][1])
        return MedftError(f"a library cannot be loaded: {first}", remedy="medft doctor   looks at them")
    if isinstance(error, RecursionError):
        return MedftError("values are nested too deeply", where=_at_hand(error), remedy=_DAMAGED)
    if isinstance(error, UnicodeError):
        return MedftError(
            "this is not UTF-8 text", where=_at_hand(error), remedy="iconv -t UTF-8 converts it"
        )
    for kind in type(error).__mro__:
        if (library := kind.__module__.partition(".")[0]) in _LIBRARIES:
            said = type(error).__name__ if library in _REPEATS else _first_line(error)
            where = _mark(error) or _at_hand(error)
            return MedftError(f"{_LIBRARIES[library]}: {said}", where=where, remedy=_DAMAGED)
    what = f"{type(error).__name__} in {_place(error)}"
    unfit = isinstance(error, ValueError | TypeError | LookupError | AttributeError)
    words = "a value is missing or has an unexpected type" if unfit else "unexpected error"
    return MedftError(
        f"{words} ({what})",
        where=_at_hand(error),
        remedy="if a file named here is damaged, make or copy it again; else please report it "
        "(MEDFT_TRACEBACK=1 shows all)",
    )


def note(error: BaseException) -> Path | None:
    """Write down for a developer where ``error`` came from: functions and lines, never values, since messages
    may repeat a text or a key. Returns the file, which the next error replaces; None where none can be
    written."""
    lines = [f"{type(error).__module__}.{type(error).__name__}"]
    for each in _chain(error):
        lines += [f"by {type(each).__name__}"] + [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(each.__traceback__)
        ]
    try:
        path = cache_dir() / "last_error.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines[:500], sys.version, ""]), encoding="utf-8")
    except (OSError, RuntimeError):  # a full disk is what is being reported; or there is no home
        return None
    return path


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _named(error: OSError) -> str:
    name = error.filename2 or error.filename
    text = os.fsdecode(name) if isinstance(name, str | bytes) else "" if name is None else str(name)
    return whole_names(text)


def whole_names(text: str) -> str:
    """``text`` with the names that halves would have taken, which are those that a user knows."""
    return _HALF.sub(r"\1", text)


def _stands_somewhere() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    problem = getattr(error, "problem", None) or str(error)
    text = next((line.strip() for line in str(problem).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _mark(error: BaseException) -> str:
    """Where in which file YAML is wrong."""
    mark = getattr(error, "problem_mark", None)
    return f"{mark.name}:{mark.line + 1}" if mark is not None and "<" not in mark.name else ""


def _at_hand(error: BaseException) -> str:
    """The file, or else the run, that medft was working on: the one that the innermost of its functions
    holds."""
    for frame in reversed(list(_frames(error))):
        held = [frame.f_locals.get(name) for name in ("path", "file", "folder", "run", "found")]
        for place in (getattr(value, "root", value) for value in held):
            if isinstance(place, Path):
                return str(place)
    return ""


def _place(error: BaseException) -> str:
    frames = list(_frames(error))
    if not frames:
        return "a library"
    code = frames[-1].f_code
    return f"{Path(code.co_filename).relative_to(Path(_PACKAGE).parent)}, {code.co_name}"


def _frames(error: BaseException) -> Iterator[FrameType]:
    """medft's own frames, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(_PACKAGE + os.sep):
            yield trace.tb_frame
        trace = trace.tb_next
