"""The processes that train one model together (torchrun, srun): which one this is, a broadcast and a vote.

A process that was started alone is the first of one, and never waits.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

from medft.errors import MedftError, RunError

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)  # the first process may have to prepare data and download a base meanwhile
_SLOW_FILES = 60.0  # seconds after which a network file system shows a new folder everywhere


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process prints, writes and merges for all."""
    return rank() == 0


def own(log: Path) -> Path:
    """The file that this process may write to in place of ``log``."""
    return log if first() else log.with_suffix(f".{rank()}{log.suffix}")


def apart(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is to train alone, whomever this one belongs to."""
    together = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_STEP_NUM_TASKS")
    return {name: value for name, value in environment.items() if name not in together}


def share(make: Callable[[], T]) -> T:
    """What ``make`` returns on the first process, on every process.

    Raises:
        MedftError: whatever ``make`` raised there, everywhere.
    """
    if count() == 1:
        return make()
    made: list[object] = [None]
    if first():
        try:
            made = [make()]
        except MedftError as error:
            made = [error]
    _broadcast(made)
    if isinstance(made[0], MedftError):
        raise made[0]
    return cast(T, made[0])


def any_of(flag: bool) -> bool:
    """Whether the flag is set on any process; all of them have to ask."""
    if count() == 1:
        return flag
    import torch
    from torch import distributed

    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    flags = torch.tensor(int(flag), device=device)
    distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
    return bool(flags)


def demand_shared(folder: Path) -> None:
    """Refuse to train on machines of which one does not see the folder that the first process has made.

    Raises:
        RunError: on every process.
    """
    end = time.monotonic() + _SLOW_FILES
    while not folder.is_dir() and time.monotonic() < end:
        time.sleep(0.5)
    if any_of(not folder.is_dir()):
        raise RunError(
            "the run folder does not exist on every machine",
            where=f"{folder} ({'here' if folder.is_dir() else 'not'} on {socket.gethostname()})",
            remedy="artifacts=<a folder on a file system that all machines share>",
        )


def leave() -> None:
    """Leave the process group, once all have written what they had to."""
    if count() > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.barrier()
            distributed.destroy_process_group()


def _broadcast(box: list[object]) -> None:
    import torch
    from accelerate import PartialState
    from torch import distributed

    # accelerate's own state, so that its trainer later finds the group it would have made.
    PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    distributed.broadcast_object_list(box, src=0)
