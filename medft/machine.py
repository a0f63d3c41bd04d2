"""What this machine has: CUDA GPUs, processor cores, memory (``probe``); torch on one core (``one_thread``).

The probe asks the CUDA driver itself (``libcuda``), because importing torch to learn that there is no GPU
takes seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# CUDA driver API: cuDeviceGetAttribute's names for the two halves of the compute capability.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_BFLOAT16_SINCE = (8, 0)
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device that this process may use."""

    name: str
    """As the driver calls it ("Tesla T4")."""
    total_bytes: int
    """Memory of the device."""
    free_bytes: int
    """Memory free when asked, less what a bare CUDA context takes; 0 if another process holds the device."""
    capability: tuple[int, int]
    """CUDA compute capability (major, minor)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run may use."""

    gpus: tuple[Gpu, ...]
    """CUDA devices, in the order of ``CUDA_VISIBLE_DEVICES``; empty without a driver."""
    cpu_cores: int
    """Cores that this process may run on, within the container's limit."""
    ram_total: int
    """Bytes of host memory, or of the container's limit."""
    ram_available: int
    """Bytes of host memory that can still be taken without swapping."""

    @property
    def supports_bfloat16(self) -> bool:
        """Whether every GPU computes in bfloat16 (Ampere, capability 8.0, and later); a CPU always does."""
        return all(gpu.capability >= _BFLOAT16_SINCE for gpu in self.gpus)


@functools.cache
def probe() -> Machine:
    """This machine, asked once per process. Never imports torch and never raises."""
    total, available = _memory()
    return Machine(
        gpus=_gpus(_driver()),
        cpu_cores=_cores(),
        ram_total=total,
        ram_available=available,
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread. Where blocks are small and another thread is writing, several threads would wait
    for each other at every block, on a busy machine longer than they compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _driver() -> Any:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def _gpus(cuda: Any) -> tuple[Gpu, ...]:
    """The devices that ``cuda``, a CDLL of the driver or None, lists."""
    count = ctypes.c_int()
    if cuda is None or cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    return tuple(_gpu(cuda, index) for index in range(count.value))


def _gpu(cuda: Any, index: int) -> Gpu:
    device, name, total = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
    major, minor = (_attribute(cuda, device, which) for which in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
    return Gpu(name.value.decode(errors="replace"), total.value, _free_bytes(cuda, device), (major, minor))


def _attribute(cuda: Any, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value


def _free_bytes(cuda: Any, device: ctypes.c_int) -> int:
    """Free memory, which the driver tells only inside a context: taken for the moment and given back."""
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0:
        return 0
    cuda.cuCtxPushCurrent_v2(context)
    failed = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) != 0
    cuda.cuCtxPopCurrent_v2(ctypes.byref(context))
    cuda.cuDevicePrimaryCtxRelease_v2(device)
    return 0 if failed else free.value


def _cores(cgroup: Path = _CGROUP) -> int:
    """Cores of the affinity mask, or as many as the container's share of time is worth."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup v2 here, or the limit is the word "max"
        return cores


def _memory(cgroup: Path = _CGROUP) -> tuple[int, int]:
    """(total, available) bytes of host memory, within the container's limit where there is one."""
    import psutil

    memory = psutil.virtual_memory()
    total, available = int(memory.total), int(memory.available)
    try:
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no cgroup v2 here, or the limit is the word "max"
        return total, available
    return min(total, limit), min(available, max(limit - used, 0))
