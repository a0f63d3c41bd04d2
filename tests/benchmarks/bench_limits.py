"""Commands on a full disk, with small files and with little memory; then the same commands with room.

    python -m tests.benchmarks.bench_limits [--only merge]

A disk of its own (tmpfs) needs root; without, only the other two are tried. Jobs of a sweep are stand-ins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from medft.models.tiny import twin
from tests.faults.kills import LOCAL, NAMES, QUICK, Trial, Whole, opened
from tests.faults.limits import fault

KB, MB = 1 << 10, 1 << 20
FILES = [n * KB for n in (0, 4, 64, 1024)]
MEMORY = [n * MB for n in (1, 64, 256, 1024)]
DISKS = [n * KB for n in (0, 64, 512, 2048)]
LARGE = 1 << 30
KINDS = (*(kind for kind in LOCAL if kind.name != "sweep"), *(kind for kind in QUICK if kind.name == "sweep"))


def main() -> None:
    """Limit, repeat, compare, show."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="")
    given = options.parse_args()
    os.environ.setdefault("MEDFT_TEST_TWINS", str(Path("artifacts/tiny").absolute()))
    twin("mistral", Path(os.environ["MEDFT_TEST_TWINS"]))
    for name in NAMES:
        if given.only in ("", name):
            with (
                tempfile.TemporaryDirectory() as folder,
                disk(Path(folder).resolve() / "disk") as place,
                opened(name, place or Path(folder).resolve() / "here", KINDS) as trial,
            ):
                _try_all(trial, place)


def _try_all(trial: Trial, place: Path | None) -> None:
    whole = trial.whole()
    for kind, sizes in (("RLIMIT_FSIZE", FILES), ("RLIMIT_AS", MEMORY)):
        for size in sizes:
            _show(trial.kind.name, kind, size, _tried(trial, whole, {kind: size}))
    for size in DISKS if place else ():
        _show(trial.kind.name, "disk", size, _tried(trial, whole, {}, partial(_leave, place, size)))


def _tried(
    trial: Trial,
    whole: Whole,
    limits: dict[str, int],
    before: Callable[[], object] = lambda: None,
) -> str:
    """What the command said, and whatever was wrong with that, or with the same command afterwards."""
    code, said = trial.limited(limits, before)
    words = [line for line in said.splitlines() if line.startswith("error: ")] or ["no error"]
    wrong = fault(code, said)
    if os.path.ismount(trial.folder):
        _resize(trial.folder, LARGE)
    try:
        same = trial.again() == whole.result
    except AssertionError as error:
        return f"{words[0]} NOT DONE AGAIN: {error}"
    return " ".join(
        [
            words[0][:150],
            *(["WRONG", wrong] if wrong else []),
            *([] if same else ["DIFFERENT"]),
            *trial.left(whole),
        ]
    )


def _show(name: str, kind: str, size: int, what: str) -> None:
    print(f"{name:<9}{kind:<13}{size / KB:>9,.0f} kB  {what}", flush=True)


@contextlib.contextmanager
def disk(place: Path) -> Iterator[Path | None]:
    """A disk of its own, where this user may have one."""
    if os.geteuid() != 0:
        yield None
        return
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _leave(place: Path | None, size: int) -> None:
    """Leave so many bytes of the disk free."""
    assert place
    _resize(place, shutil.disk_usage(place).used + size)


def _resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


if __name__ == "__main__":
    main()
