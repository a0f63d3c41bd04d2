"""Measures how fast this CPU trains in each type, on one small block, since its flags do not tell."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.models.registry import Dtype

if TYPE_CHECKING:
    import torch

_SECONDS = 0.7  # for each of the two types
_ROW = 256  # tokens
_WIDTH, _INNER, _HEADS = 576, 1536, 9  # of SmolLM2-135M
_RANK = 16
_LAYERS = {"qkv": (_WIDTH, 3 * _WIDTH), "o": (_WIDTH, _WIDTH), "gate": (_WIDTH, _INNER),
           "up": (_WIDTH, _INNER), "down": (_INNER, _WIDTH)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Speed:
    """Floating-point operations per second of the products with a block's frozen weights, when the block is
    trained: with adapters, attention, norms and casts, on all threads that torch uses here."""

    bfloat16: float
    """With weights in bfloat16."""
    float32: float
    """With weights in float32."""

    @property
    def faster(self) -> Dtype:
        """The type to compute in; bfloat16 where it is no slower, since it takes half the memory."""
        return "bfloat16" if self.bfloat16 >= self.float32 else "float32"

    def of(self, dtype: Dtype) -> float:
        """The speed in one type; that of bfloat16 stands for float16 too."""
        return self.float32 if dtype == "float32" else self.bfloat16

    def __str__(self) -> str:
        """Both figures, for people."""
        return f"bfloat16 {self.bfloat16 / 1e9:.0f} GFLOPS, float32 {self.float32 / 1e9:.0f}"


@functools.cache
def measure() -> Speed:
    """Measure both, once per process: two seconds."""
    import torch

    return Speed(bfloat16=_flops(torch.bfloat16), float32=_flops(torch.float32))


def _flops(dtype: torch.dtype) -> float:
    """Over all passes that fill the time, so that what other processes take of the cores counts; the first
    ones, which build kernels and wake threads, left out."""
    import torch

    frozen = {
        name: torch.randn(outputs, inputs).mul(0.02).to(dtype) for name, (inputs, outputs) in _LAYERS.items()
    }
    adapters = {
        name: (
            torch.randn(_RANK, inputs, requires_grad=True),
            torch.zeros(outputs, _RANK, requires_grad=True),
        )
        for name, (inputs, outputs) in _LAYERS.items()
    }
    hidden = torch.randn(1, _ROW, _WIDTH, dtype=dtype, requires_grad=True)
    passes, began = -2, time.perf_counter()
    while passes < 3 or time.perf_counter() - began < _SECONDS:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            torch.autograd.backward(_block(hidden, frozen, adapters).sum())
        passes += 1
        began = time.perf_counter() if passes == 0 else began
    multiplying = sum(inputs * outputs for inputs, outputs in _LAYERS.values())
    return 4 * multiplying * _ROW * passes / (time.perf_counter() - began)


def _block(
    hidden: torch.Tensor,
    frozen: dict[str, torch.Tensor],
    adapters: dict[str, tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """One block of a transformer with LoRA."""
    from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

    def project(name: str, given: torch.Tensor) -> torch.Tensor:
        down, up = adapters[name]
        return linear(given, frozen[name]) + linear(linear(given, down), up)

    normed = rms_norm(hidden, (_WIDTH,))
    heads = project("qkv", normed).view(1, _ROW, 3 * _HEADS, -1).transpose(1, 2)
    query, key, value = heads.chunk(3, dim=1)
    mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
    hidden = hidden + project("o", mixed.transpose(1, 2).reshape(1, _ROW, _WIDTH))
    normed = rms_norm(hidden, (_WIDTH,))
    return hidden + project("down", silu(project("gate", normed)) * project("up", normed))
