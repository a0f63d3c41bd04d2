"""A base of a family's architecture with random weights, in NF4 or 16 bits: nothing to download, as large as
the real one."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft.files import atomic_folder
from medft.models.families import copy_tokenizer, folder_of
from medft.models.registry import ShapeConfig

if TYPE_CHECKING:
    import torch


def tiny(shape: ShapeConfig) -> ShapeConfig:
    """Two narrow layers in place of ``shape``; keys grouped and output layer tied where they are there."""
    grouped = shape.num_key_value_heads < shape.num_attention_heads
    return replace(
        shape, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, head_dim=16,
        num_key_value_heads=2 if grouped else 4, intermediate_size=192, vocab_size=2048,
    )  # fmt: skip


def build(nf4: Path, family: str, shape: ShapeConfig) -> None:
    """Write the checkpoint into ``nf4``, whole or not at all, by way of a 16-bit one that is deleted.

    The tokenizer is the family's small one: ids are given, so that only its special tokens matter.
    """
    with atomic_folder(nf4) as aside:
        bits16 = aside / "bits16"
        _write_16bit(bits16, _config(family, shape))
        _quantise(bits16, aside)
        shutil.rmtree(bits16)
        copy_tokenizer(family, aside)


def build_16bit(folder: Path, family: str, shape: ShapeConfig) -> None:
    """Write the 16-bit checkpoint into ``folder``, whole or not at all, with the family's small tokenizer."""
    with atomic_folder(folder) as aside:
        _write_16bit(aside, _config(family, shape))
        copy_tokenizer(family, aside)


def _config(family: str, shape: ShapeConfig) -> Any:
    from transformers import AutoConfig

    sizes = {name: value for name, value in asdict(shape).items() if name != "qk_norm"}
    return AutoConfig.from_pretrained(folder_of(family), **sizes)


def _quantise(bits16: Path, nf4: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="bfloat16",
    )
    model = AutoModelForCausalLM.from_pretrained(
        bits16, quantization_config=quantisation, dtype="bfloat16", device_map={"": _device(torch)}
    )
    model.save_pretrained(nf4)


def _device(torch: Any) -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _write_16bit(folder: Path, config: Any) -> None:
    """A shard per block, and no more than a shard in memory."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    index: dict[str, str] = {}
    weights = _random(model.state_dict(), config)
    for number, (_, tensors) in enumerate(itertools.groupby(weights, lambda each: _block(each[0]))):
        name, shard = f"model-{number:03d}.safetensors", dict(tensors)
        save_file(shard, folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(shard, name))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def _block(name: str) -> str:
    return name.split(".")[2] if name.startswith("model.layers.") else ""


def _random(shapes: dict[str, torch.Tensor], config: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Normal numbers of the families' usual spread; norms that change nothing (Gemma's multiply by 1 + w)."""
    import torch

    place = _device(torch)
    generator = torch.Generator(place).manual_seed(1)
    for name, like in shapes.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if like.dim() == 1:
            yield name, torch.full(like.shape, 0.0 if config.model_type == "gemma" else 1.0).bfloat16()
        else:
            drawn = torch.randn(like.shape, generator=generator, device=place) * config.initializer_range
            yield name, drawn.bfloat16().cpu()
