"""The sizes of a checkpoint, from its config.json.

Owns the reading of that file for the plan's sake. Knows nothing of weights.
"""

from __future__ import annotations

from pathlib import Path

from medft.files import read_json
from medft.models.registry import ShapeConfig

_TIED = (
    "gemma",
)  # architectures whose output layer is the embedding unless their config.json says otherwise


def read_shape(folder: Path) -> ShapeConfig | None:
    """The sizes of the checkpoint in ``folder``; None for an architecture that they would not describe: one
    with experts, or without the seven projections of a Llama block."""
    values = read_json(folder / "config.json")
    wanted = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    if any(not isinstance(values.get(name), int) for name in wanted) or "num_local_experts" in values:
        return None
    heads = values["num_attention_heads"]
    return ShapeConfig(
        **{name: values[name] for name in wanted},
        num_key_value_heads=values.get("num_key_value_heads") or heads,
        head_dim=values.get("head_dim") or values["hidden_size"] // heads,
        tie_word_embeddings=values.get("tie_word_embeddings", values.get("model_type") in _TIED),
    )
