"""Threads, memory and out-of-memory errors of one process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from medft.errors import EngineError, MedftError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
_LARGEST_KEPT = 32 << 20  # bytes; glibc allows no more
_ALL = 2**31 - 1  # bytes of free memory that are kept


def use_threads(count: int) -> None:
    """Compute on ``count`` threads, or as many as OMP_NUM_THREADS says.

    One suits a tiny twin: its matrices are too small to share, and threads that wait for each other on a busy
    machine made a step five times slower. A real model takes a thread per core that it may use, which is
    fewer than torch's own choice in a container with a limit.
    """
    import torch

    said = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(said) if count > 1 and said.isdecimal() else count)


def keep_freed_memory() -> None:
    """Let the pages of freed tensors on a processor stay with this process, for the tensors that come next.

    glibc gives those of large ones back at once, and every batch has them zeroed and mapped anew: of eight
    joined rows of SmolLM2 that took as long as their arithmetic. Does nothing with another C library.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, _ALL)


def peak_memory_bytes() -> int:
    """Peak of the GPU's allocator where there is one, else of this process's resident memory."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def release() -> None:
    """Give back what a model that nothing refers to any more held, on the GPU too."""
    import torch

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


_NO_MEMORY = ("OutOfMemoryError", "DeviceMapInfeasible", "MemoryError")
"""Names of the classes that torch, Unsloth and Python have for it."""
_SAID = re.compile(
    r"out of memory|CU\w+_ALLOC_FAILED|MemoryAllocation|can.t allocate memory"  # CUDA, cuBLAS, torch on a CPU
    r"|not fit in GPU memory|enough GPU RAM",  # Unsloth; transformers with bitsandbytes
    re.IGNORECASE,
)


def out_of_memory(error: BaseException, doing: str, remedy: str, where: str = "") -> EngineError | None:
    """What to say of ``error`` where it means out of memory; None of any other.

    torch has a class of its own for its allocator. What CUDA tells bitsandbytes, Triton or cuBLAS, and what
    Unsloth finds before it loads, are plain errors with a text.

    Args:
        error: known by name and text, so that nobody waits for torch to ask.
        doing: when it was met, such as ``in training``; may be empty.
        remedy: the settings that need less.
        where: see ``MedftError``.
    """
    if isinstance(error, MedftError):
        return None
    told = isinstance(error, RuntimeError | ValueError) and _SAID.search(str(error))
    if type(error).__name__ not in _NO_MEMORY and not told:
        return None
    host = isinstance(error, MemoryError) or "CPUAllocator" in str(error)
    place = "this machine" if host else "the GPU"
    return EngineError(f"{place} ran out of memory {doing}".rstrip(), where=where, remedy=remedy)


@contextmanager
def in_memory(doing: str, remedy: str) -> Iterator[None]:
    """Raise what ``out_of_memory`` makes of an error of the block.

    Raises:
        EngineError: in place of one that means out of memory.
    """
    try:
        yield
    except Exception as error:
        if known := out_of_memory(error, doing, remedy):
            raise known from error
        raise
