"""Memory of tensors on a processor; errors that mean that memory did not suffice, in the words of each
library."""

from __future__ import annotations

import platform
import resource

import pytest

from medft.engine.device import in_memory, keep_freed_memory, out_of_memory
from medft.errors import EngineError


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class DeviceMapInfeasible(RuntimeError):  # noqa: N818
    """Named as that of Unsloth's planner."""


GPU = [
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("cudaErrorMemoryAllocation"),
    ValueError("Unsloth: a/b does not fit in GPU memory, so transformers placed part of it on the CPU"),
    ValueError(
        "Some modules are dispatched on the CPU or the disk. Make sure you have enough GPU RAM to fit"
    ),
    DeviceMapInfeasible("needs 17 GB"),
]
HOST = [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")]


@pytest.mark.parametrize("error", [*GPU, *HOST], ids=str)
def test_every_librarys_word_for_it_is_known(error: Exception) -> None:
    said = "ran out of memory while loading"
    with pytest.raises(EngineError, match=said) as known, in_memory("while loading", "load less"):
        raise error
    assert known.value.remedy == "load less"
    assert known.value.what.startswith("this machine" if error in HOST else "the GPU")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert"), KeyError("out of memory"), EngineError("out of memory")],
)
def test_nothing_else_is_taken_for_it(error: Exception) -> None:
    assert out_of_memory(error, "", "") is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_pages_of_a_freed_tensor_are_used_again() -> None:
    """Else twenty tensors of 16 MB, one after the other, map 4,096 pages each; the first few may, until the
    heap is large enough."""
    import torch

    keep_freed_memory()
    mapped = []
    for _ in range(40):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(4 << 20)
        mapped.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert sum(mapped[20:]) < 4096, mapped
