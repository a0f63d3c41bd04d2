"""A full-size base with random weights: nothing to download, and as slow and as large as the real one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from medft.models.registry import ShapeConfig, projections
from medft.models.tiny import twin


def build(folder: Path, shape: ShapeConfig) -> Path:
    """The 16-bit checkpoint of Mistral's architecture in ``folder``, a shard per block; found there if built.

    Its tokenizer is the tiny twin's: ids are given, so that only its special tokens matter.
    """
    if (folder / "model.safetensors.index.json").is_file():
        return folder
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    hidden, generator = shape.hidden_size, torch.Generator().manual_seed(1)

    def random(*size: int) -> torch.Tensor:
        return (torch.randn(*size, generator=generator, dtype=torch.float32) * 0.02).to(torch.bfloat16)

    def block(layer: int) -> dict[str, torch.Tensor]:
        prefix = f"model.layers.{layer}."
        tensors = {
            f"{prefix}{'mlp' if name[:2] in ('ga', 'up', 'do') else 'self_attn'}.{name}.weight": random(
                out, into
            )
            for name, (into, out) in projections(shape).items()
        }
        norms = ("input_layernorm", "post_attention_layernorm")
        return tensors | {f"{prefix}{n}.weight": torch.ones(hidden, dtype=torch.bfloat16) for n in norms}

    index: dict[str, str] = {}

    def write(tensors: dict[str, torch.Tensor], name: str) -> None:
        save_file(tensors, folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))

    ends = {f"{name}.weight": random(shape.vocab_size, hidden) for name in ("model.embed_tokens", "lm_head")}
    ends["model.norm.weight"] = torch.ones(hidden, dtype=torch.bfloat16)
    write(ends, "model-ends.safetensors")
    for layer in range(shape.num_hidden_layers):
        write(block(layer), f"model-{layer:03d}.safetensors")
    (folder / "config.json").write_text(json.dumps(_config(shape)))
    tiny = twin("mistral", Path("artifacts/tiny").absolute()).bits16
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        shutil.copy(tiny / name, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def _config(shape: ShapeConfig) -> dict[str, object]:
    return {
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "dtype": "bfloat16",
        "hidden_size": shape.hidden_size, "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads, "num_key_value_heads": shape.num_key_value_heads,
        "head_dim": shape.head_dim, "intermediate_size": shape.intermediate_size,
        "vocab_size": shape.vocab_size, "tie_word_embeddings": shape.tie_word_embeddings,
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "sliding_window": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
