"""Bytes of a base that the processes divide between them (FSDP2): what each holds between the steps, and what
it gathers for as long as it computes it."""

from __future__ import annotations

from medft.models.registry import Dtype, ShapeConfig, parameters, projections
from medft.training.memory import NF4_BYTES, SIZES

_PACKED = 4 / 8
"""Bytes of a 4-bit weight that are divided; its scales are no parameters, and every process holds them."""
_GATHERED_BLOCKS = 3
"""Blocks that are whole at a time: the one that is computed, the next one, and the next one's buffer."""


def held(shape: ShapeConfig, dtype: Dtype, in_4bit: bool, processes: int) -> int:
    """What a process holds: a share of all parameters, and all scales of 4-bit weights."""
    linear = shape.num_hidden_layers * _linear(shape)
    other = (parameters(shape) - linear) * SIZES[dtype]
    scales = linear * (NF4_BYTES - _PACKED) if in_4bit else 0
    return int((linear * _size(dtype, in_4bit) + other) / processes + scales)


def gathered(shape: ShapeConfig, dtype: Dtype, in_4bit: bool) -> int:
    """What is whole at a time beside it: some blocks, and the output layer from its pass until it has its
    gradient. (The embedding is whole for a lookup, when no block is.)"""
    blocks = _GATHERED_BLOCKS * _linear(shape) * _size(dtype, in_4bit)
    return int(blocks + shape.vocab_size * shape.hidden_size * SIZES[dtype])


def _linear(shape: ShapeConfig) -> int:
    """Weights of the projections of a block."""
    return sum(i * o for i, o in projections(shape).values())


def _size(dtype: Dtype, in_4bit: bool) -> float:
    return _PACKED if in_4bit else SIZES[dtype]
