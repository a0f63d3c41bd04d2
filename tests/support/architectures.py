"""The architectures of conf/model/*.yaml as transformers knows them, at any size: which one a model has, and
its settings beside the sizes. Small random models of all of them, with the features that matter."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from medft.config import build
from medft.models.registry import ShapeConfig
from medft.paths import conf_dir

SMALL = ShapeConfig(64, 2, 4, 2, 16, 128, 320, tie_word_embeddings=False)
_GEMMA3 = {
    "sliding_window": 16,
    "query_pre_attn_scalar": 16,
    "layer_types": ["sliding_attention", "full_attention"],
}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "partial_rotary_factor": 0.75,
    "short_factor": [1.0] * 6,
    "long_factor": [2.0] * 6,
    "original_max_position_embeddings": 64,
}
_GEMMA4 = {
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 320,
    "num_kv_shared_layers": 1,
    "global_head_dim": 32,
    "num_hidden_layers": 3,
    "sliding_window": 16,
    "use_double_wide_mlp": True,
    "final_logit_softcapping": 30.0,
    "layer_types": ["sliding_attention", "full_attention", "full_attention"],
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def _rope(factor: float) -> dict[str, Any]:
    return {
        "rope_type": "llama3",
        "rope_theta": 5e5,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }


ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma": ("gemma", {"tie_word_embeddings": True}),
    "gemma2": ("gemma2", _GEMMA3 | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("gemma3_text", _GEMMA3 | {"tie_word_embeddings": True}),
    "gemma3_vision": ("gemma3", _GEMMA3 | {"tie_word_embeddings": True}),
    "gemma4": ("gemma4", _GEMMA4 | {"tie_word_embeddings": True}),
    "llama2": ("llama", {"num_key_value_heads": 4}),
    "llama3_1": ("llama", {"rope_parameters": _rope(8.0)}),
    "llama3_2": ("llama", {"rope_parameters": _rope(32.0), "tie_word_embeddings": True}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral_window": ("mistral", {"sliding_window": 8}),
    "phi4": ("phi3", {"rope_parameters": _LONGROPE, "tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"bos_token_id": None, "tie_word_embeddings": True}),
    "smollm2": (
        "llama",
        {"tie_word_embeddings": True, "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 1},
    ),
}
"""model_type and what a small one has beside the sizes of ``SMALL``."""

OF_MODELS = {
    "gemma": "gemma",
    "gemma_2b": "gemma",
    "gemma3_270m": "gemma3",
    "gemma3_1b": "gemma3",
    "gemma3_4b": "gemma3_vision",
    "medgemma_4b": "gemma3_vision",
    "gemma4_e2b": "gemma4",
    "llama2": "llama2",
    "llama3_1": "llama3_1",
    "llama3_2_1b": "llama3_2",
    "llama3_2_3b": "llama3_2",
    "llama3_3_70b": "llama3_1",
    "mistral": "mistral",
    "mistral_v0_3": "mistral",
    "phi4_mini": "phi4",
    "qwen3_0_6b": "qwen3",
    "qwen3_1_7b": "qwen3",
    "qwen3_4b": "qwen3",
    "qwen3_8b": "qwen3",
    "qwen3_14b": "qwen3",
    "smollm2": "smollm2",
    "smollm2_360m": "smollm2",
    "smollm2_1_7b": "smollm2",
}
"""Which of these each model of conf/model has."""

_TOWER = {  # of Gemma 3 4B: vision_config of src/maxtext/.../hf_model_configs.py in AI-Hypercomputer/maxtext
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "image_size": 896,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
    "vision_use_head": False,
}
_OURS = (
    "qk_norm",
    "block_norms",
    "fused",
    "vision_parameters",
)  # what config.json does not say by these names


def shape_of(model: str) -> ShapeConfig | None:
    """The shape in conf/model/<model>.yaml."""
    values = yaml.safe_load((conf_dir() / "model" / f"{model}.yaml").read_text(encoding="utf-8"))
    return build(ShapeConfig, values["shape"]) if values["shape"] else None


def full_config(model: str, shape: ShapeConfig) -> Any:
    """The configuration of the real model, as far as its weights depend on it."""
    kind, _ = ARCHITECTURES[OF_MODELS[model]]
    sizes = {key: value for key, value in asdict(shape).items() if key not in _OURS}
    return _config(kind, sizes | {"pad_token_id": 0}, _TOWER)


def small_config(architecture: str) -> Any:
    """The configuration of a small model."""
    kind, more = ARCHITECTURES[architecture]
    sizes = {key: value for key, value in asdict(SMALL).items() if key not in _OURS}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 128}
    return _config(kind, sizes | ids | more, _VISION)


def _config(kind: str, text: dict[str, Any], vision: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    if kind == "gemma3":
        ids = {
            "image_token_index": 300,
            "boi_token_index": 301,
            "eoi_token_index": 302,
            "mm_tokens_per_image": 4,
        }
        return AutoConfig.for_model(kind, text_config=text, vision_config=vision, **ids)
    if kind == "gemma4":
        ids = {"image_token_id": 300, "audio_token_id": 301, "video_token_id": 302}
        small = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "head_dim": 16,
        }
        tower = {**small, "num_key_value_heads": 2, "global_head_dim": 16}
        return AutoConfig.for_model(kind, text_config=text, vision_config=tower, audio_config=None, **ids)
    return AutoConfig.for_model(kind, **text)


def small_base(architecture: str, folder: Path) -> Path:
    """A random bfloat16 checkpoint of the architecture in ``folder``, with a word-level tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    from tests.merge.small import save_tokenizer

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(small_config(architecture)).to(torch.bfloat16).save_pretrained(folder)
    save_tokenizer(folder)
    return folder
