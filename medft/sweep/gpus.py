"""GPUs for one job of a sweep alone, taken by locks that end with the job, however it ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from medft.errors import RunError
from medft.files import take
from medft.machine import probe

_POLL = 0.5  # seconds


@contextmanager
def own_gpus(
    locks: Path, wanted: int, cancelled: Callable[[], bool]
) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """GPUs for one job alone, waited for while too many are taken.

    Args:
        locks: a folder for lock files, shared by the jobs of a sweep.
        wanted: how many.
        cancelled: asked while waiting; once true, the wait ends without a GPU.

    Yields:
        The environment variables that choose them, and the descriptors that the job inherits to hold them.
        Both are empty on a machine without a GPU.

    Raises:
        RunError: the machine has fewer.
    """
    names = _gpu_names()
    if not names:
        yield {}, ()
        return
    if wanted > len(names):
        raise RunError(
            f"a job of this sweep needs {wanted} GPUs, but there are {len(names)}",
            where=socket.gethostname(),
            remedy=f"sweep.gpus_per_job={len(names)}, or a machine with more",
        )
    # The indices of a SLURM allocation are its own: index 0 of two allocations may be two GPUs.
    place = f"{socket.gethostname()}-{os.environ.get('SLURM_JOB_ID', '')}"
    with ExitStack() as held:
        taken: dict[int, TextIO] = {}
        while len(taken) < wanted and not cancelled():
            with (locks / f".gpus-{place}").open("w") as turn:  # so that no two jobs hold half each
                fcntl.flock(turn, fcntl.LOCK_EX)
                taken = _free([locks / f".gpu-{place}-{name}" for name in names], wanted)
            if len(taken) < wanted:
                time.sleep(_POLL)
        for file in taken.values():
            held.enter_context(file)
        chosen = {"CUDA_VISIBLE_DEVICES": ",".join(names[index] for index in taken)} if taken else {}
        yield chosen, tuple(file.fileno() for file in taken.values())


def _gpu_names() -> list[str]:
    count = len(probe().gpus)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(index) for index in range(count)]


def _free(locks: list[Path], wanted: int) -> dict[int, TextIO]:
    """The first ``wanted`` locks that nobody holds, taken; none where there are fewer."""
    taken: dict[int, TextIO] = {}
    for index, path in enumerate(locks):
        file: TextIO = path.open("w")
        if take(file):
            taken[index] = file
        else:
            file.close()
        if len(taken) == wanted:
            return taken
    for file in taken.values():
        file.close()
    return {}
