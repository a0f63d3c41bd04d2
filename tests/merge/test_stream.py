"""The streaming merge against peft's merge_and_unload, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.merge.checkpoint import Checkpoint
from medft.merge.stream import merge
from tests.merge.small import FAMILIES, PROJECTIONS, peft_merge

Bases = Callable[..., Path]
Adapters = Callable[..., Path]

VARIANTS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True, "lora_alpha": 7},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 4, "layers.1.mlp.up_proj": 3}, "alpha_pattern": {".*k_proj": 5}},
    "rank256": {"r": 256, "lora_alpha": 33},
    "rank256_dora": {"r": 256, "lora_alpha": 33, "use_dora": True, "use_rslora": True},
}


def same_tensors(left: Path, right: Path) -> None:
    import torch

    one, other = Checkpoint(left), Checkpoint(right)
    assert one.entries.keys() == other.entries.keys()
    for name in one.entries:
        assert torch.equal(one.read(name), other.read(name)), name
        assert one.entries[name].dtype == other.entries[name].dtype


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_peft_to_the_byte(
    bases: Bases, adapters: Adapters, tmp_path: Path, family: str, dtype: str
) -> None:
    base = bases(family, dtype)
    adapter = adapters(base)
    merge(base, adapter, tmp_path / "ours")
    theirs = peft_merge(base, adapter, tmp_path / "theirs", save_as=dtype)
    ours = tmp_path / "ours"
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_equal_peft(bases: Bases, adapters: Adapters, tmp_path: Path, variant: str) -> None:
    base = bases("mistral", "bfloat16")
    adapter = adapters(base, **VARIANTS[variant])
    merge(base, adapter, tmp_path / "ours")
    same_tensors(tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs"))


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": [*PROJECTIONS, "embed_tokens", "lm_head"]},
        {"modules_to_save": ["lm_head", "embed_tokens", "norm"]},
    ],
)
def test_embeddings_and_trained_modules_equal_peft(
    bases: Bases, adapters: Adapters, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """peft rounds an embedding's change before adding it: its float32 merge is the reference."""
    base = bases("llama2", "bfloat16")
    adapter = adapters(base, **settings)
    merge(base, adapter, tmp_path / "ours")
    same_tensors(tmp_path / "ours", peft_merge(base, adapter, tmp_path / "theirs", load_as="float32"))
