"""Sizes from a config.json, as the architectures write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medft.plan.shape import read_shape

LLAMA = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192,
    "vocab_size": 2048, "model_type": "llama",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (4, 16, False)),
        ({"num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": True}, (2, 32, True)),
        ({"model_type": "gemma"}, (4, 16, True)),
        ({"num_local_experts": 8}, None),
        ({"linear_num_key_heads": 8}, None),
        ({"intermediate_size": None}, None),
    ],
)
def test_sizes(tmp_path: Path, changes: dict[str, Any], expected: tuple[int, int, bool] | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **changes}))
    found = read_shape(tmp_path)
    assert (found and (found.num_key_value_heads, found.head_dim, found.tie_word_embeddings)) == expected


def test_of_a_model_that_sees_the_language_model_counts(tmp_path: Path) -> None:
    text = {**LLAMA, "model_type": "gemma3_text", "head_dim": 32}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    found = read_shape(tmp_path)
    assert found is not None
    assert (found.head_dim, found.qk_norm, found.block_norms, found.tie_word_embeddings) == (
        32,
        True,
        4,
        True,
    )
