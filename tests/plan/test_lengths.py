"""Batches by their rows' lengths, against a simulation and against what was encoded."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from medft.plan import lengths
from medft.prompt.tokens import EncodedSplit
from medft.training.memory import Batch


def test_the_widest_batch_is_padded_to_the_longest_row_or_is_their_sum() -> None:
    assert lengths.widest((90, 50, 10), 2, joined=False) == Batch(2, 90)
    assert lengths.widest((90, 50, 10), 2, joined=True) == Batch(1, 140)
    assert lengths.widest((90, 50), 8, joined=False) == Batch(2, 90)
    assert lengths.widest((), 8, joined=False).tokens == 1


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
def test_expected_padding_is_that_of_random_batches(rows: int) -> None:
    draw = random.Random(1)
    population = sorted((int(draw.lognormvariate(5, 1)) + 1 for _ in range(500)), reverse=True)
    processed = real = 0
    for _ in range(20_000):
        batch = draw.choices(population, k=rows)
        processed, real = processed + rows * max(batch), real + sum(batch)
    assert lengths.padding_ratio(population, rows) == pytest.approx(processed / real, rel=0.02)
    assert lengths.padding_ratio((), rows) == 1


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
def test_rows_sorted_within_their_step_are_padded_less(rows: int) -> None:
    draw = random.Random(1)
    population = sorted((int(draw.lognormvariate(5, 1)) + 1 for _ in range(500)), reverse=True)
    processed = real = 0
    for _ in range(20_000):
        step = sorted(draw.choices(population, k=8))
        processed += sum(rows * max(step[start : start + rows]) for start in range(0, 8, rows))
        real += sum(step)
    found = lengths.sorted_padding_ratio(population, rows, 8)
    assert found == pytest.approx(processed / real, rel=0.03)
    assert found <= lengths.padding_ratio(population, rows) * 1.03
    assert lengths.sorted_padding_ratio((), rows, 8) == 1


def test_a_token_stands_in_a_row_of_this_mean_length() -> None:
    tokens = [length for length in (90, 50, 10) for _ in range(length)]
    assert lengths.attended((90, 50, 10)) == pytest.approx(sum(tokens) / len(tokens))


def test_lengths_are_read_from_what_was_encoded(tmp_path: Path) -> None:
    import pyarrow as pa

    def split(name: str, sizes: list[int]) -> EncodedSplit:
        path = tmp_path / f"{name}.arrow"
        schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("length", pa.int32())])
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for size in sizes:
                writer.write_batch(pa.record_batch([[[1] * size], [size]], schema=schema))
        return EncodedSplit(path, len(sizes), sum(sizes), 0, 0, max(sizes, default=0), (), {})

    found = lengths.read(
        {
            "train": split("train", [3, 9, 5]),
            "validation": split("validation", [2]),
            "test": split("test", []),
        }
    )
    assert found == lengths.Lengths((9, 5, 3), (2,), (), exact=True)


def test_without_a_tokenizer_rows_are_as_long_as_they_may_be() -> None:
    found = lengths.bound({"train": 3, "validation": 1, "test": 0}, 2048)
    assert found == lengths.Lengths((2048,) * 3, (2048,), (), exact=False)


def test_packed_sequences_hold_all_tokens() -> None:
    assert lengths.sequences((90, 50, 10), 100) == 2
