"""What the writer and the check do alike: blocks of rows."""

from __future__ import annotations

import pytest
import torch

from medft.merge.adapter import LowRank
from medft.merge.checkpoint import Spec
from medft.merge.tensors import blocks


@pytest.mark.parametrize("rank", [1, 16, 256])
@pytest.mark.parametrize(
    "shape", [(2048, 5632), (5633, 2048), (50257, 64), (997, 1000), (17, 65536), (3, 70)]
)
def test_blocks_change_no_bit(shape: tuple[int, int], rank: int) -> None:
    change = LowRank(torch.randn(rank, shape[1]), torch.randn(shape[0], rank), 1.7)
    rows = list(blocks(Spec("w", "bfloat16", shape)))
    assert [row for part in rows for row in range(part.start, part.stop)] == list(range(shape[0]))
    whole = (change.b @ change.a) * change.scaling
    assert torch.equal(torch.cat([change.delta(part) for part in rows]), whole)
