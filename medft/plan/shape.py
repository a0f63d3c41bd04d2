"""The sizes of a checkpoint, from its config.json: in its folder, or on the hub before it is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medft.files import read_json
from medft.models.base_models import named
from medft.models.hub import configuration
from medft.models.registry import ModelConfig, ShapeConfig

_TIED = (
    "gemma",
)  # architectures whose output layer is the embedding unless their config.json says otherwise


def read_shape(folder: Path) -> ShapeConfig | None:
    """The sizes of the checkpoint in ``folder``; None for an architecture that they would not describe: one
    with experts, or without the seven projections of a Llama block."""
    return _shape(read_json(folder / "config.json"))


def shape_of(model: ModelConfig, in_4bit: bool) -> ShapeConfig | None:
    """The sizes of a base that is not on this machine: its settings', or those that the hub has; None as
    above, or where the hub does not answer."""
    if model.shape is not None:
        return model.shape
    values = configuration(*named(model, in_4bit))
    return _shape(values) if values else None


def _shape(values: dict[str, Any]) -> ShapeConfig | None:
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
