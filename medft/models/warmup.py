"""The seconds of pre-training that make a tiny twin worth tuning: its training loop and the numbers of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medft.machine import one_thread

_WINDOW = 64
"""Tokens per sequence."""
_BATCH = 8
"""Sequences per step."""
_LEARNING_RATE = 3e-3
"""Learning rate of AdamW, after a warm-up of ten steps."""

# The gain of the last norm at the start. The logits of so narrow a model are sums of few terms; with a gain
# of 1 they move so little per step that a minute of training shows nothing.
_FINAL_GAIN = 8.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """A stretch of pre-training."""

    documents: Sequence[Sequence[int]]
    """Token ids, laid end to end; windows begin anywhere."""
    steps: int
    """Optimiser steps."""


def trained(config: Any, lessons: Sequence[Lesson], seed: int) -> Any:
    """A model of the transformers configuration ``config`` after all ``lessons``, in bfloat16.

    The loop is plain: AdamW with betas (0.9, 0.95) and gradients clipped at 1. It runs in one thread, so that
    the same inputs give the same weights on the same kind of processor. The caller's random state is left as
    it was.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with one_thread(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).train()
        with torch.no_grad():
            *_, norm = (weight for weight in model.parameters() if weight.dim() == 1)  # the decoder's last
            norm += _FINAL_GAIN - 1  # 1 + w in some families' norm, w in the others, and initially 1 in all
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )
        warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
        for lesson in lessons:
            _teach(model, optimizer, warmup, lesson)
    return model.to(torch.bfloat16).eval()


def _teach(model: Any, optimizer: Any, warmup: Any, lesson: Lesson) -> None:
    import torch

    stream = torch.tensor([token for document in lesson.documents for token in document])
    starts = torch.randint(0, len(stream) - _WINDOW, (lesson.steps, _BATCH))
    for row in starts:
        windows = stream[row[:, None] + torch.arange(_WINDOW)]
        model(input_ids=windows, labels=windows, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        warmup.step()
