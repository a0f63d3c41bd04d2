"""How fast this processor multiplies matrices, in each type: measured, since its flags do not tell."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

from medft.models.registry import Dtype

_SECONDS = 0.5  # for each of the two types
_ROWS, _WIDTH = 1024, 1024


@dataclass(frozen=True, slots=True)
class Speed:
    """Floating-point operations per second, on all threads that torch uses here."""

    bfloat16: float
    """Speed of products of bfloat16 matrices."""
    float32: float
    """Speed of products of float32 matrices."""

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
    """Measure both, once per process: a second."""
    import torch

    return Speed(bfloat16=_flops(torch.bfloat16), float32=_flops(torch.float32))


def _flops(dtype: object) -> float:
    """Over all products that fill the time, so that what other processes take of the cores counts; the first
    ones, which build kernels and wake threads, left out."""
    import torch

    left = torch.randn(_ROWS, _WIDTH).to(dtype)  # type: ignore[call-overload]
    right = torch.randn(_WIDTH, _WIDTH).to(dtype)  # type: ignore[call-overload]
    with torch.no_grad():
        for _ in range(2):
            left @ right
        products, began = 0, time.perf_counter()
        while products < 3 or time.perf_counter() - began < _SECONDS:
            left @ right
            products += 1
        seconds = time.perf_counter() - began
    return 2 * _ROWS * _WIDTH * _WIDTH * products / seconds
