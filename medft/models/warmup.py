"""The networks of the tiny twins: their sizes, and the seconds of pre-training that make them worth tuning.

Owns the families' architecture settings at a small scale and the training loop. Knows nothing of files,
tokenizers or quantisation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medft.models.registry import Family

WINDOW = 64
"""Tokens per pre-training sequence."""
BATCH = 16
"""Sequences per step."""
LEARNING_RATE = 3e-3
"""Of AdamW, after a warm-up of ten steps."""

# The gain of the last norm at the start. The logits of so narrow a model are sums of few terms; with a gain
# of 1 they move so little per step that a minute of training shows nothing.
_FINAL_GAIN = 8.0

# Widths are multiples of 64, the block of NF4. Heads are grouped where the family's are, and Gemma's
# attention is wider than its residual stream, so that code that confuses these sizes fails here too.
_COMMON: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "initializer_range": 0.02,
    "attention_dropout": 0.0,
}
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_OWN: dict[Family, dict[str, Any]] = {
    "gemma": {
        "head_dim": 32,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "initializer_range": 0.005,  # Gemma multiplies embeddings by sqrt(hidden_size)
    },
    "llama2": {"head_dim": 16, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5},
    "mistral": {
        "head_dim": 16,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        "sliding_window": None,
    },
    "llama3_1": {
        "head_dim": 16,
        "num_key_value_heads": 2,
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5,
        "rope_parameters": _LLAMA3_ROPE,
    },
}


def config(family: Family, **own: Any) -> Any:
    """The transformers configuration of the family's twin.

    Args:
        family: chooses the architecture class and its settings.
        own: what depends on the tokenizer: vocab_size and the ids of special tokens.
    """
    from transformers import GemmaConfig, LlamaConfig, MistralConfig

    classes = {"gemma": GemmaConfig, "llama2": LlamaConfig, "mistral": MistralConfig, "llama3_1": LlamaConfig}
    return classes[family](**(_COMMON | _OWN[family] | own), dtype="bfloat16")


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of pre-training."""

    documents: Sequence[Sequence[int]]
    """Token ids, laid end to end; windows begin anywhere."""
    steps: int
    """Optimiser steps."""


def pretrained(configuration: Any, phases: Sequence[Phase], seed: int) -> Any:
    """A model of that configuration after all ``phases``, in bfloat16.

    The loop is plain: AdamW with betas (0.9, 0.95) and gradients clipped at 1. It runs in one thread, so that
    the same inputs give the same weights on the same kind of processor. The caller's random state is left as
    it was.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with _one_thread(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(configuration, dtype=torch.float32).train()
        with torch.no_grad():
            norm = model.model.norm.weight
            norm += _FINAL_GAIN - 1  # 1 + w in Gemma's norm, w in the others, and initially 1 in all
        optimiser = torch.optim.AdamW(
            model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0
        )
        warmup = torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=0.1, total_iters=10)
        for phase in phases:
            _train(model, optimiser, warmup, phase)
    return model.to(torch.bfloat16).eval()


def _train(model: Any, optimiser: Any, warmup: Any, phase: Phase) -> None:
    import torch

    stream = torch.tensor([token for document in phase.documents for token in document])
    starts = torch.randint(0, len(stream) - WINDOW, (phase.steps, BATCH))
    for row in starts:
        windows = stream[row[:, None] + torch.arange(WINDOW)]
        model(input_ids=windows, labels=windows, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        warmup.step()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
