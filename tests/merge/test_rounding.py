"""Rounding to nearest and stochastic rounding: neighbours, mean, and the same random numbers everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medft.errors import ConfigError
from medft.merge import tensors
from medft.merge.rounding import Bias, MergingConfig, Method, noise, rounded, stochastic, stream_key
from tests.merge.small import write_merge


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_number_is_rounded_to_its_neighbour_and_not_further(dtype: str) -> None:
    torch.manual_seed(0)
    method = Method("nearest", dtype, 0)
    exact = torch.randn(1000)
    stored = rounded(exact, dtype)
    up = torch.nextafter(stored, torch.full_like(stored, float("inf")))
    assert method.between(stored, exact, exact, None).all()
    assert not method.between(up, exact, exact, None).any()
    tie = (stored.double() + up.double()) / 2
    lowest, highest = tie - 1e-7 * tie.abs(), tie + 1e-7 * tie.abs()
    assert (
        method.between(stored, lowest, highest, None).all()
        and method.between(up, lowest, highest, None).all()
    )
    assert not method.between(torch.full_like(stored, float("nan")), exact, exact, None).any()


def test_stochastic_rounding_takes_a_neighbour_and_is_right_in_the_mean() -> None:
    torch.manual_seed(0)
    exact = torch.cat([torch.randn(500) * 0.02, torch.randn(500) * 1e-39, torch.tensor([0.0, -0.0])])
    drawn = torch.stack(
        [stochastic(exact.clone(), noise(0, f"w{i}", 0, len(exact))).double() for i in range(4000)]
    )
    bits = exact.view(torch.int32) & -65536
    inner, outer = bits.view(torch.float32).double(), (bits + 65536).view(torch.float32).double()
    assert ((drawn == inner) | (drawn == outer)).all()
    error = (drawn.mean(0) - exact) / (outer - inner)
    assert error.abs().max() < 5 * 0.5 / 4000**0.5


def test_what_needs_no_rounding_stays_to_the_bit() -> None:
    values = torch.randn(1001).bfloat16()
    assert torch.equal(stochastic(values.float(), noise(3, "w", 0, 1001)), values)


def test_random_numbers_are_a_function_of_seed_name_and_position() -> None:
    whole = noise(7, "w", 0, 1000)
    parts = [noise(7, "w", 0, 13), noise(7, "w", 13, 1), noise(7, "w", 14, 986)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert whole[:6].tolist() == FIRST
    assert whole.dtype == np.uint16
    for other in (noise(8, "w", 0, 1000), noise(7, "v", 0, 1000)):
        assert (other == whole).mean() < 0.01
    assert stream_key(1, "w") != stream_key(1, "v") != stream_key(2, "v")


FIRST = [41339, 14979, 39778, 45068, 37688, 48183]


def test_a_bias_stands_out() -> None:
    exact = torch.randn(100_000) * 0.02
    fair, near, down = Bias(), Bias(), Bias()
    fair.add(stochastic(exact.clone(), noise(0, "w", 0, len(exact))), exact)
    near.add(rounded(exact, "bfloat16"), exact)
    down.add(stochastic(exact.clone(), np.zeros(len(exact), dtype=np.uint16)), exact)
    assert fair.sigmas < 4 < 100 < min(near.sigmas, down.sigmas)


def test_shards_and_blocks_do_not_change_a_byte(
    bases: Callable[..., Path], adapters: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medft.merge.checkpoint import Checkpoint

    base = bases("mistral")
    adapter = adapters(base)
    write_merge(base, adapter, tmp_path / "one", merging=MergingConfig())
    monkeypatch.setattr(tensors, "_BLOCK", 1024)
    write_merge(base, adapter, tmp_path / "many", max_shard_bytes=60_000, merging=MergingConfig())
    one, many = Checkpoint(tmp_path / "one"), Checkpoint(tmp_path / "many")
    assert len({entry.file for entry in many.entries.values()}) > 2
    assert all(torch.equal(one.read(name), many.read(name)) for name in one.entries)


@pytest.mark.parametrize(
    ("config", "base", "found"),
    [
        (MergingConfig(), "bfloat16", ("stochastic", "bfloat16")),
        (MergingConfig(), "float32", ("stochastic", "bfloat16")),
        (MergingConfig(), "float16", ("nearest", "float16")),
        (MergingConfig(dtype="float32"), "bfloat16", ("nearest", "float32")),
        (MergingConfig(rounding="nearest"), "bfloat16", ("nearest", "bfloat16")),
        (MergingConfig(rounding="stochastic", dtype="bfloat16"), "float16", ("stochastic", "bfloat16")),
    ],
)
def test_what_auto_means(config: MergingConfig, base: str, found: tuple[str, str]) -> None:
    method = config.method(base, 5)
    assert (method.rounding, method.dtype, method.seed) == (*found, 5)


def test_stochastic_rounding_is_for_bfloat16() -> None:
    with pytest.raises(ConfigError, match="for bfloat16"):
        MergingConfig("stochastic", "float16")
    with pytest.raises(ConfigError, match="would be float16"):
        MergingConfig("stochastic").candidates("float16")


def test_auto_tries_the_finer_last() -> None:
    def tried(config: MergingConfig, base: str) -> list[tuple[str, str]]:
        return [(found.rounding, found.dtype) for found in config.candidates(base)]

    both = [("stochastic", "bfloat16"), ("nearest", "bfloat16")]
    assert tried(MergingConfig(), "bfloat16") == [*both, ("nearest", "float32")]
    assert tried(MergingConfig(), "float16") == [("nearest", "float16"), ("nearest", "float32")]
    assert tried(MergingConfig(dtype="bfloat16"), "bfloat16") == both
    assert tried(MergingConfig("stochastic"), "bfloat16") == both[:1]
