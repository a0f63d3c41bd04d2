"""What this machine has: CUDA GPUs, processor cores, memory (``probe``); torch on one core (``one_thread``).

The probe asks the CUDA driver itself (``libcuda``), because importing torch to learn that there is no GPU
takes seconds. Free memory comes from NVML (``libnvidia-ml``), which opens no context on a device: others may
be using it, alone if its compute mode says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# CUDA driver API: what cuDeviceGetAttribute calls the halves of the compute capability, and the mode.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_COMPUTE_MODE = 20
_MODES = {2: "prohibited", 3: "exclusive"}
_BFLOAT16_SINCE = (8, 0)
_CONTEXT = 500_000_000
"""Bytes that a bare CUDA context takes before the first tensor; an allowance."""
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device that this process may use."""

    name: str
    """As the driver calls it ("Tesla T4")."""
    total_bytes: int
    """Memory of the device."""
    free_bytes: int | None
    """Memory free when asked, less what a bare CUDA context takes; None if that could not be asked."""
    capability: tuple[int, int]
    """CUDA compute capability (major, minor)."""
    mode: str = "default"
    """Compute mode: "exclusive" lets one process use the device, "prohibited" none."""

    @property
    def usable_bytes(self) -> int:
        """Free memory as far as it is known, else all that an idle device has."""
        return max(self.total_bytes - _CONTEXT, 0) if self.free_bytes is None else self.free_bytes


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
    driver: tuple[int, int] | None = None
    """Newest version of CUDA (major, minor) that the driver runs; None without a driver."""

    def used_by(self, processes: int) -> Machine:
        """The machine as so many processes see it that train together, each on a GPU of its own."""
        return replace(self, gpus=self.gpus[:processes])

    @property
    def supports_bfloat16(self) -> bool:
        """Whether every GPU computes in bfloat16 (Ampere, capability 8.0, and later); a CPU always does."""
        return all(gpu.capability >= _BFLOAT16_SINCE for gpu in self.gpus)


@functools.cache
def probe() -> Machine:
    """This machine, asked once per process. Never imports torch and never raises."""
    total, available = _memory()
    cuda = _library("libcuda.so.1")
    return Machine(
        gpus=_gpus(cuda, _library("libnvidia-ml.so.1")),
        cpu_cores=usable_cores(),
        ram_total=total,
        ram_available=available,
        driver=_driver(cuda),
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


def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _driver(cuda: Any) -> tuple[int, int] | None:
    """The driver's version as CUDA counts: 12040 is 12.4."""
    version = ctypes.c_int()
    if cuda is None or cuda.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000, version.value % 1000 // 10


def _gpus(cuda: Any, nvml: Any) -> tuple[Gpu, ...]:
    """The devices that ``cuda``, a CDLL of the driver or None, lists; ``nvml`` likewise."""
    count = ctypes.c_int()
    if cuda is None or cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    if nvml is not None and nvml.nvmlInit_v2() != 0:
        nvml = None
    try:
        return tuple(_gpu(cuda, nvml, index) for index in range(count.value))
    finally:
        if nvml is not None:
            nvml.nvmlShutdown()


def _gpu(cuda: Any, nvml: Any, index: int) -> Gpu:
    device, name, total = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
    major, minor = (_attribute(cuda, device, which) for which in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
    return Gpu(
        name.value.decode(errors="replace"),
        total.value,
        _free_bytes(nvml, _uuid(cuda, device)),
        (major, minor),
        _MODES.get(_attribute(cuda, device, _COMPUTE_MODE), "default"),
    )


def _attribute(cuda: Any, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value


def _uuid(cuda: Any, device: ctypes.c_int) -> str:
    """The device's number in NVML's form, without its prefix; of a MIG slice that of the slice."""
    raw = (ctypes.c_ubyte * 16)()
    ask = getattr(cuda, "cuDeviceGetUuid_v2", None) or cuda.cuDeviceGetUuid  # without slices before CUDA 11.4
    if ask(ctypes.byref(raw), device) != 0:
        return ""
    return str(uuid.UUID(bytes=bytes(raw)))


class _Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _free_bytes(nvml: Any, number: str) -> int | None:
    """Free memory of the device of that number; None where NVML does not tell."""
    handle, memory = ctypes.c_void_p(), _Memory()
    if nvml is None or not number:
        return None
    for prefix in ("GPU", "MIG"):
        if nvml.nvmlDeviceGetHandleByUUID(f"{prefix}-{number}".encode(), ctypes.byref(handle)) == 0:
            told = nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
            return max(int(memory.free) - _CONTEXT, 0) if told else None
    return None


def usable_cores(cgroup: Path = _CGROUP) -> int:
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
