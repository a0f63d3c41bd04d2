"""A full-size base with random weights: nothing to download, and as slow and as large as the real one."""

from __future__ import annotations

import json
from pathlib import Path

from medft.models import tiny_family, tiny_tokenizer
from medft.models.registry import ShapeConfig, projections
from medft.paths import samples_dir


def build(folder: Path, shape: ShapeConfig) -> Path:
    """The NF4 checkpoint of Mistral's architecture under ``folder``, made of a 16-bit one; found if built.

    The tokenizer is a small one trained here: ids are given, so that only its special tokens matter.
    """
    nf4 = folder / "nf4"
    if (nf4 / "tokenizer.json").is_file():
        return nf4
    _write_16bit(folder / "bits16", shape)
    _quantise(folder / "bits16", nf4)
    for place in (folder / "bits16", nf4):
        _write_tokenizer(place)
    return nf4


def _quantise(bits16: Path, nf4: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="bfloat16",
    )
    place = 0 if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        bits16, quantization_config=config, dtype=torch.bfloat16, device_map={"": place}
    )
    model.save_pretrained(nf4)


def _write_tokenizer(folder: Path) -> None:
    rows = (samples_dir() / "medical_qa.jsonl").read_text(encoding="utf-8").splitlines()
    tiny_family.save("mistral", tiny_tokenizer.train("mistral", rows), folder)


def _write_16bit(folder: Path, shape: ShapeConfig) -> None:
    """A shard per block."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    hidden, generator = shape.hidden_size, torch.Generator(device).manual_seed(1)

    def random(*size: int) -> torch.Tensor:
        drawn = torch.randn(*size, generator=generator, dtype=torch.float32, device=device) * 0.02
        return drawn.to(torch.bfloat16).cpu()

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
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


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
