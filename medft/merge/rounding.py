"""Rounds the exact sum of base + adapter to the merged type: to nearest or stochastically.

The change of a weight by an adapter is often smaller than half a step of bfloat16. Rounding to nearest then
gives the base back, in most elements and always in the same direction. Stochastic rounding takes the upper or
the lower neighbour with the probability that makes the mean exact, so that the change survives in the sums
that a layer computes; an element without a change stays as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from medft.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Noise = npt.NDArray[np.uint16]

Rounding = Literal["nearest", "stochastic"]
Dtype = Literal["bfloat16", "float16", "float32"]

_PER_DRAW = 4  # random numbers of 16 bits in one draw of 64
_DROPPED = 16  # bits of a float32 that bfloat16 lacks


@dataclass(frozen=True, slots=True)
class MergingConfig:
    """What is merged into, and how merged weights are stored."""

    rounding: Literal["auto", "nearest", "stochastic"] = "auto"
    """auto: in bfloat16 stochastic, or nearest where validation rows show that to be closer to what was
    trained; nearest in the finer types."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """auto: the base's 16-bit type, bfloat16 for a base in float32; float32 where that is shown to lose more
    than 1% of the gain."""
    base: Literal["auto", "16-bit", "4-bit"] = "auto"
    """What an adapter that was trained on a 4-bit base is merged into. auto: the 16-bit base, unless
    validation rows show it to be better on the 4-bit one."""

    def __post_init__(self) -> None:
        if self.rounding == "stochastic" and self.dtype not in ("auto", "bfloat16"):
            raise ConfigError(
                f"stochastic rounding is for bfloat16, but the merged weights would be {self.dtype}",
                where="merging.rounding=stochastic",
                remedy="merging.rounding=auto, or merging.dtype=bfloat16",
            )

    def candidates(self, base: str) -> tuple[MergingConfig, ...]:
        """What these settings may come to, in the order in which it is tried, for a base whose weights are of
        the type ``base``."""
        stored: Dtype = "float16" if base == "float16" else "bfloat16"
        dtype = stored if self.dtype == "auto" else self.dtype
        both: tuple[Rounding, ...] = ("stochastic", "nearest") if dtype == "bfloat16" else ("nearest",)
        roundings = both if self.rounding == "auto" else (self.rounding,)
        found = [replace(self, rounding=rounding, dtype=dtype) for rounding in roundings]
        if (self.rounding, self.dtype) == ("auto", "auto"):
            found.append(replace(self, rounding="nearest", dtype="float32"))
        return tuple(found)

    def method(self, base: str, seed: int) -> Method:
        """The first of ``candidates``."""
        first = self.candidates(base)[0]
        return Method("stochastic" if first.rounding == "stochastic" else "nearest", first.dtype, seed)


@dataclass(frozen=True, slots=True)
class Method:
    """How the changed weights of one merge are rounded; all others are only cast, to nearest."""

    rounding: Rounding
    """Which neighbour is taken."""
    dtype: str
    """Type of the merged weights."""
    seed: int
    """Seed of the random numbers of stochastic rounding."""

    def round(self, exact: torch.Tensor, name: str, start: int) -> torch.Tensor:
        """``exact`` (float32) as numbers of the merged type.

        Args:
            exact: some rows of a weight; overwritten.
            name: of the weight.
            start: how many elements of the weight come before these.
        """
        drawn = self.noise(name, start, exact.numel())
        return rounded(exact, self.dtype) if drawn is None else stochastic(exact, drawn)

    def noise(self, name: str, start: int, count: int) -> Noise | None:
        """The random numbers for some elements of a weight; None where none are used."""
        return noise(self.seed, name, start, count) if self.rounding == "stochastic" else None

    def between(
        self, found: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, noise: Noise | None
    ) -> torch.Tensor:
        """Where ``found`` is what ``round`` made of some number from ``lowest`` to ``highest``: with the same
        noise, rounding keeps the order of numbers."""
        if noise is None:
            low, high = rounded(lowest, self.dtype), rounded(highest, self.dtype)
        else:
            low, high = stochastic(lowest.float(), noise), stochastic(highest.float(), noise)
        return (low <= found) & (found <= high)


def rounded(values: torch.Tensor, dtype: str) -> torch.Tensor:
    """``values`` as numbers of the type ``dtype``: the nearest, to even at a tie."""
    import torch

    return values.to(getattr(torch, dtype))


def stochastic(values: torch.Tensor, noise: Noise) -> torch.Tensor:
    """float32 ``values``, which are overwritten, in bfloat16: away from zero where ``noise`` carries over the
    bits that are dropped, else towards it."""
    import numpy as np
    import torch

    bits = values.contiguous().view(torch.int32)
    flat = bits.view(-1).numpy()
    np.add(flat, noise, out=flat, casting="unsafe")
    return bits.bitwise_right_shift_(_DROPPED).to(torch.int16).view(torch.bfloat16)


def noise(seed: int, name: str, start: int, count: int) -> Noise:
    """Random numbers of 16 bits for the elements ``start`` to ``start + count`` of a weight.

    They are a function of seed, name and position alone: numpy's PCG64DXSM, keyed by a hash of seed and name
    and moved to the position, so that blocks, shards, threads and machines make no difference.
    """
    import numpy as np

    before = start % _PER_DRAW
    stream = np.random.PCG64DXSM(stream_key(seed, name))
    stream.advance(start // _PER_DRAW)
    draws = stream.random_raw(-(-(before + count) // _PER_DRAW)).astype("<u8", copy=False)
    return draws.view("<u2")[before : before + count]


def stream_key(seed: int, name: str) -> int:
    """Which stream of random numbers a weight has."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")


@dataclass(slots=True)
class Bias:
    """What stochastic rounding did to one weight, in steps of bfloat16, beside what chance may do.

    The mean of many independent roundings is the exact value. Two ways to miss it are told apart, one of
    which every simpler rounding takes: away from zero, and to the farther neighbour.
    """

    away: float = 0.0
    """Sum of the errors away from zero."""
    farther: float = 0.0
    """Sum of the errors away from the nearest neighbour; rounding to nearest makes it as low as can be."""
    variance: float = 0.0
    """Variance of either sum, where chance alone decides."""

    def add(self, found: torch.Tensor, exact: torch.Tensor) -> None:
        """Count more elements, ``found`` in bfloat16 for ``exact``."""
        import torch

        bits = exact.float().contiguous().view(torch.int32)
        share = (bits & 0xFFFF).float() / (1 << _DROPPED)  # of a step above the neighbour towards zero
        up = found.contiguous().view(torch.int16) != (bits >> _DROPPED).to(torch.int16)
        error = up.float() - share
        self.away += float(error.sum(dtype=torch.float64))
        self.farther += float((error * (0.5 - share).sign()).sum(dtype=torch.float64))
        self.variance += float((share * (1 - share)).sum(dtype=torch.float64))

    @property
    def sigmas(self) -> float:
        """The larger of both in standard errors."""
        return max(abs(self.away), abs(self.farther)) / (self.variance**0.5 or 1.0)
