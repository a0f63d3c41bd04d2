"""Which rows meet in a step when rows are grouped by length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_WINDOW = 200  # steps: batches of 8 of MedQuAD's rows are then padded by 1.4%
_WINDOWS = 4  # at least, so that other rows meet in another epoch


class GroupedByLength(Sampler[int]):
    """Rows of similar length in a step, steps in random order.

    Rows are shuffled and taken in windows of some steps; each window is sorted and cut into steps, and all
    steps are shuffled, but for an incomplete one, which stays last. The order depends on seed and epoch
    alone, so that a resumed run and every process of several find the same.

    Args:
        lengths: tokens of every row.
        per_step: rows of an optimizer step, over all devices.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], per_step: int, seed: int) -> None:
        self._lengths = lengths[:]  # as a list: a column of datasets is read row by row, 0.2 ms each
        self._per_step, self._seed, self._epoch = per_step, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self._seed + self._epoch)
        rows = torch.randperm(len(self), generator=draw).tolist()
        count = len(rows) // self._per_step
        whole, window = count * self._per_step, max(min(_WINDOW, count // _WINDOWS), 1) * self._per_step
        steps = [step for some in _cut(rows[:whole], window)
                 for step in _cut(sorted(some, key=self._lengths.__getitem__), self._per_step)]  # fmt: skip
        for index in torch.randperm(len(steps), generator=draw).tolist():
            yield from steps[index]
        yield from rows[whole:]


def _cut(rows: list[int], size: int) -> list[list[int]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
