"""A base with an adapter by transformers and PEFT alone, and a training loop of one's own over it: what other
contenders of the training benchmark are measured by."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from medft.engine.base import LoadSpec, LoraConfig
from tests.benchmarks.training_setting import ROWS_PER_STEP


def loaded(base: Path, dtype: str, lora: LoraConfig) -> Any:
    """The model as a script of one's own loads it: nothing of medft's touches it."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype), local_files_only=True)
    adapter = peft.LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(model, adapter)


def train(model: Any, spec: LoadSpec, rows: dict[str, list[Any]], size: int) -> list[tuple[float, int]]:
    """One pass over rows, shortest first, but that those of the middle come before all others.

    Args:
        model: the result of ``loaded``.
        spec: of the base.
        rows: ``input_ids``, ``labels`` and ``length``, sorted by length.
        size: rows of a batch, padded to the longest.

    Returns:
        Seconds and tokens of every step.
    """
    import torch

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
    steps = [range(start, start + ROWS_PER_STEP) for start in range(0, len(rows["length"]), ROWS_PER_STEP)]
    middle, found = len(steps) // 2, []
    for step in [*steps[middle : middle + 2], *steps[:middle], *steps[middle + 2 :]]:
        began = time.perf_counter()
        trained = sum(label != -100 for place in step for label in rows["labels"][place][1:])
        for places in (step[start : start + size] for start in range(0, len(step), size)):
            batch = _batch({name: [column[place] for place in places] for name, column in rows.items()})
            with torch.autocast("cpu", torch.bfloat16, enabled=spec.dtype == "bfloat16"):
                (_nats(model.get_base_model(), batch) / trained).backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append((time.perf_counter() - began, sum(rows["length"][place] for place in step)))
    return found


def _batch(rows: dict[str, list[Any]]) -> dict[str, Any]:
    import torch

    rows["attention_mask"] = [[1] * length for length in rows.pop("length")]
    padding = {"input_ids": 0, "labels": -100, "attention_mask": 0}
    return {
        name: torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows[name]], True, value)
        for name, value in padding.items()
    }


def _nats(inner: Any, batch: dict[str, Any]) -> Any:
    """The summed loss of the trained tokens, whose logits alone are computed."""
    import torch

    labels = batch.pop("labels")[:, 1:]
    hidden = inner.model(**batch, use_cache=False).last_hidden_state[:, :-1]
    logits = inner.lm_head(hidden[labels != -100]).float()
    return torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="sum")
