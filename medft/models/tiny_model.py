"""The networks of the tiny twins: their sizes, and the seconds of pre-training that make them worth tuning.

Owns the families' architecture settings at a small scale and the training loop. Knows nothing of files,
tokenizers or quantisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medft.models.registry import Family

WINDOW = 64
"""Tokens per pre-training sequence."""
BATCH = 16
STEPS = 40
PEAK_LEARNING_RATE = 1e-2

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
    "gemma": {"head_dim": 32, "max_position_embeddings": 8192, "tie_word_embeddings": True},
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


def pretrained(configuration: Any, documents: Sequence[Sequence[int]], seed: int) -> Any:
    """A model of that configuration after `STEPS` steps on ``documents``, in bfloat16.

    The loop is plain: AdamW with betas (0.9, 0.95), gradients clipped at 1, a linear warm-up of ten steps and
    a linear decay, on random windows of the documents laid end to end. Same inputs and processor: same
    weights. The caller's random state is left as it was.
    """
    import torch
    from transformers import AutoModelForCausalLM

    stream = torch.tensor([token for document in documents for token in document])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(configuration, dtype=torch.float32).train()
        starts = torch.randint(0, len(stream) - WINDOW, (STEPS, BATCH))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / 10, (STEPS - step) / STEPS)
    )
    with torch.enable_grad():
        for row in starts:
            windows = stream[row[:, None] + torch.arange(WINDOW)]
            model(input_ids=windows, labels=windows, use_cache=False).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
    return model.to(torch.bfloat16).eval()
