"""What autograd keeps of a forward pass for the backward one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def weighed(model: Any, tokens: int) -> Iterator[dict[int, int]]:
    """Bytes of every storage that is kept within the block and belongs to a batch.

    Args:
        model: its own weights are left out.
        tokens: of the batch, a prime: what has as many numbers, or a multiple, belongs to it; a mask of
            tokens x tokens is left out.
    """
    import torch

    fixed = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, int] = {}

    def weigh(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if tensor.numel() % tokens == 0 and tensor.numel() != tokens**2 and storage._cdata not in fixed:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        yield kept
