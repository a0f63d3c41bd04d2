"""The sizes of a checkpoint, from its config.json: in its folder, or on the hub before it is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medft.files import read_json
from medft.models.base_models import named
from medft.models.hub import configuration
from medft.models.registry import ModelConfig, ShapeConfig

_TIED = ("gemma", "gemma2", "gemma3", "gemma3_text")  # the default where config.json does not say
_QK_NORM = ("qwen3", "gemma3_text")
_FOUR_NORMS = ("gemma2", "gemma3_text")
_FUSED = ("phi3",)
_NOT_DESCRIBED = (
    "num_local_experts", "num_experts", "n_routed_experts", "linear_num_key_heads",
    "hidden_size_per_layer_input",
)  # fmt: skip
"""Keys of blocks that a ``ShapeConfig`` does not describe: experts, linear attention, inputs of their own."""


def read_shape(folder: Path) -> ShapeConfig | None:
    """The sizes of the checkpoint in ``folder``, of its language model where it sees too; None for an
    architecture that they would not describe."""
    return _shape(read_json(folder / "config.json"))


def shape_of(model: ModelConfig, in_4bit: bool) -> ShapeConfig | None:
    """The sizes of a base that is not on this machine: its settings', or those that the hub has; None as
    above, or where the hub does not answer."""
    if model.shape is not None:
        return model.shape
    values = configuration(*named(model, in_4bit))
    return _shape(values) if values else None


def _shape(whole: dict[str, Any]) -> ShapeConfig | None:
    values: dict[str, Any] = {**whole, **whole.get("text_config", {})}
    wanted = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    if any(not isinstance(values.get(name), int) for name in wanted) or any(map(values.get, _NOT_DESCRIBED)):
        return None
    heads, kind = values["num_attention_heads"], values.get("model_type")
    return ShapeConfig(
        **{name: values[name] for name in wanted},
        num_key_value_heads=values.get("num_key_value_heads") or heads,
        head_dim=values.get("head_dim") or values["hidden_size"] // heads,
        tie_word_embeddings=values.get("tie_word_embeddings", kind in _TIED),
        qk_norm=kind in _QK_NORM,
        block_norms=4 if kind in _FOUR_NORMS else 2,
        fused=kind in _FUSED,
    )
