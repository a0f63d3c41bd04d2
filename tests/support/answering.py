"""A base model with two adapters, small and random, for tests of whatever asks a model."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from medft.inference.session import Session
from medft.models.families import copy_tokenizer

MAX_LENGTH = 512


@functools.cache
def session() -> Session:
    """The adapters "a" and "b" on one base of two layers; three models that disagree."""
    folder = Path(tempfile.mkdtemp(prefix="medft-answering-"))
    tokenizer = load_tokenizer(folder)
    session = Session(_base(len(tokenizer)), tokenizer, [tokenizer.eos_token_id], MAX_LENGTH)
    for seed, name in enumerate("ab"):
        session.add(name, adapter(folder / name, len(tokenizer), seed))
    return session


def load_tokenizer(folder: Path) -> Any:
    """The small tokenizer of the family mistral."""
    from transformers import AutoTokenizer

    copy_tokenizer("mistral", folder)
    return AutoTokenizer.from_pretrained(folder)


def adapter(folder: Path, vocabulary: int, seed: int) -> Path:
    """A LoRA folder whose B is not zero, so that it changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        _base(vocabulary), LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"])
    )
    torch.manual_seed(100 + seed)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return folder


def _base(vocabulary: int) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()
