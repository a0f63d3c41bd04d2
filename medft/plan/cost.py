"""The price of a step on one device, in tokens, so that ways to compute the same step can be compared.

The tokens of a step go through the frozen base twice (forward, and the gradient of activations), with
checkpointing three times; every pass has a price per micro-batch, and attention one that grows with what a
token attends to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medft.engine.base import Checkpointing
from medft.machine import Machine
from medft.models.registry import Dtype, ShapeConfig, parameters
from medft.plan import lengths
from medft.plan.fit import Recipe
from medft.plan.flops import flops_per_token, peak_flops
from medft.training.config import TrainerConfig

_UNPACKING = 100  # tokens
_LAUNCHING = 0.5e-3  # seconds per block: about a hundred kernels of 5 microseconds each
EFFICIENCY = 0.4  # of a GPU's peak
_CPU_LAUNCHING = 4e-3  # seconds per block, measured with SmolLM2-135M
_CPU_ATTENTION = {"alone": 0.45, "padded": 0.9, "joined": 0.45}  # what an operation of attention costs there
_TWIN_PRICE = 650  # tokens; measured with the tiny twin, as are:
_TWIN_ATTENTION = {"alone": 0.36, "padded": 0.36, "joined": 0.6}
PASSES: dict[Checkpointing, float] = {"off": 2.0, "standard": 3.0, "unsloth": 3.05}


def step_cost(
    rows: Sequence[int],
    shape: ShapeConfig | None,
    adapter: int | None,
    dtype: Dtype,
    machine: Machine,
    varlen: bool,
    speed: float | None = None,
) -> Callable[[Recipe], float]:
    """The cost of a step as a function of its recipe.

    Args:
        rows: lengths of the training rows.
        shape: of the base; None where it is not known, and attention then counts for nothing.
        adapter: weights of the adapter; None as above.
        dtype: compute type.
        machine: with or without a GPU.
        varlen: whether attention computes joined rows one by one; plain attention computes the whole square
            and masks most of it.
        speed: operations per second of matrix products on a CPU that computes a real model.
    """
    price = batch_price(shape, dtype, machine, speed)
    prices = _CPU_ATTENTION if speed else _TWIN_ATTENTION  # of one row there is no mask
    mean, per_width = sum(rows) / max(len(rows), 1), 0.0
    if shape is not None and adapter is not None:
        alone, one = (flops_per_token(shape, adapter, width) for width in (0, 1))
        per_width = (one - alone) / alone

    def cost(recipe: Recipe) -> float:
        trainer, padding = recipe.trainer, padding_of(recipe.trainer, rows)
        size, batches = trainer.per_device_batch_size, trainer.gradient_accumulation_steps
        own = lengths.attended(rows)
        width = (own if varlen else mean * size) if trainer.padding_free else own * padding
        attention = per_width * width
        if not machine.gpus:
            attention *= prices["joined" if trainer.padding_free else "padded" if size > 1 else "alone"]
        tokens = size * batches * mean * padding
        return PASSES[recipe.checkpointing] * (tokens * (1 + attention) + price * batches)

    return cost


def padding_of(trainer: TrainerConfig, rows: Sequence[int]) -> float:
    """Processed over real tokens, expected."""
    if trainer.padding_free or trainer.packing or trainer.group_by_length:
        return 1.0
    if trainer.fit == "auto":
        per_step = trainer.per_device_batch_size * trainer.gradient_accumulation_steps
        return lengths.sorted_padding_ratio(rows, trainer.per_device_batch_size, per_step)
    return lengths.padding_ratio(rows, trainer.per_device_batch_size)


def batch_price(
    shape: ShapeConfig | None, dtype: Dtype, machine: Machine, speed: float | None = None
) -> float:
    """What a pass over a micro-batch costs besides its tokens, in tokens.

    Unpacking 4 bits: N weights move 2.5 N bytes, a token takes 2 N operations; at 40% of the arithmetic and
    all of the bandwidth of a T4 (65 TFLOPS, 320 GB/s) as of an H200 (989 TFLOPS, 4.8 TB/s) that is worth 100
    tokens.
    Launching kernels: some time per block, in which a fast GPU would have computed more tokens.

    Args:
        shape: of the base, where it is known.
        dtype: compute type.
        machine: with or without a GPU.
        speed: as for ``step_cost``.
    """
    if not machine.gpus:
        if shape is None or speed is None:
            return _TWIN_PRICE
        return _CPU_LAUNCHING * shape.num_hidden_layers * speed / (2 * parameters(shape))
    peak = peak_flops(machine.gpus[0].name, dtype)
    if shape is None or peak is None:
        return _UNPACKING
    tokens_per_second = EFFICIENCY * peak / (2 * parameters(shape))
    return _UNPACKING + _LAUNCHING * shape.num_hidden_layers * tokens_per_second
