"""One small Triton kernel: whether Triton compiles and runs at all. Import it only where Triton is wanted."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_BLOCK = 32


@triton.jit  # type: ignore[untyped-decorator]
def _add_one(numbers: Any, count: Any, block: tl.constexpr) -> None:
    places = tl.arange(0, block)
    inside = places < count
    tl.store(numbers + places, tl.load(numbers + places, mask=inside) + 1, mask=inside)


def runs(device: str) -> bool:
    """Whether the kernel computes what it should on ``device``.

    Raises:
        Exception: whatever Triton says where it cannot compile or launch it.
    """
    numbers = torch.arange(_BLOCK - 1, device=device, dtype=torch.float32)
    _add_one[(1,)](numbers, len(numbers), _BLOCK)
    return bool(torch.equal(numbers.cpu(), torch.arange(1, _BLOCK, dtype=torch.float32)))
