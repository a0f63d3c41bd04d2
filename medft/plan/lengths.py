"""Row lengths of every split, and statistics of the batches that are drawn from them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft.prompt.tokens import EncodedSplit
from medft.training.memory import Batch

_DRAWN_STEPS = 1_000


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of every row, longest first, by split."""

    train: tuple[int, ...]
    """Training rows."""
    validation: tuple[int, ...]
    """Validation rows."""
    test: tuple[int, ...]
    """Test rows."""
    exact: bool
    """False where rows have not been encoded and each is taken to be as long as it may be."""


def read(splits: Mapping[str, EncodedSplit]) -> Lengths:
    """The lengths of encoded splits."""
    return Lengths(**{name: _column(split) for name, split in splits.items()}, exact=True)


def bound(rows: Mapping[str, int], max_length: int) -> Lengths:
    """The most that rows which have not been encoded can come to."""
    return Lengths(**{name: (max_length,) * count for name, count in rows.items()}, exact=False)


def _column(split: EncodedSplit) -> tuple[int, ...]:
    import pyarrow as pa

    with pa.memory_map(str(split.path)) as file, pa.ipc.open_stream(file) as reader:
        lengths = [length for batch in reader for length in batch.column("length").to_pylist()]
    return tuple(sorted(lengths, reverse=True))


def widest(lengths: Sequence[int], rows: int, joined: bool) -> Batch:
    """The largest batch of ``rows`` rows that can come up: padded to the longest, or joined end to end."""
    most = lengths[:rows] or (1,)
    return Batch(1, sum(most)) if joined else Batch(len(most), most[0])


def padding_ratio(lengths: Sequence[int], rows: int) -> float:
    """Processed over real tokens, expected of random batches of ``rows`` rows, each padded to its longest.

    The longest of b rows drawn from n is at most the i-th shortest with probability (i/n)^b.
    """
    count = len(lengths)
    if not count:
        return 1.0
    below = [(i / count) ** rows for i in range(count + 1)]
    longest = sum(
        length * (below[i + 1] - below[i]) for i, length in enumerate(reversed(lengths))
    )  # shortest first
    return longest / (sum(lengths) / count)


def sorted_padding_ratio(lengths: Sequence[int], rows: int, per_step: int) -> float:
    """The same where the ``per_step`` rows of a step are sorted before batches are cut from them: of as many
    random steps as make it steady to a hundredth."""
    if not lengths:
        return 1.0
    draw, processed, real = random.Random(0), 0, 0  # noqa: S311
    for _ in range(_DRAWN_STEPS):
        step = sorted(draw.choices(lengths, k=per_step), reverse=True)
        processed += sum(rows * step[start] for start in range(0, per_step, rows))
        real += sum(step)
    return processed / real


def attended(lengths: Sequence[int]) -> float:
    """The mean length of the row that a token is in."""
    total = sum(lengths)
    return sum(length**2 for length in lengths) / total if total else 0.0


def sequences(lengths: Sequence[int], max_length: int) -> int:
    """How many packed sequences the rows fill, at least; best-fit packing comes within a few per cent."""
    return math.ceil(sum(lengths) / max_length)
