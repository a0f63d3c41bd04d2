"""Joined rows attend to themselves alone, and come to what each comes to by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medft.engine import engine
from medft.engine.base import LoadSpec, LoraConfig
from medft.models.tiny import Twin

LENGTHS = (9, 1, 17, 6)


def joined(ids: list[Any]) -> dict[str, Any]:
    import torch

    positions = [torch.arange(len(row)) for row in ids]
    return {"input_ids": torch.cat(ids)[None], "position_ids": torch.cat(positions)[None]}


def rows(vocabulary: int) -> list[Any]:
    import torch

    draw = torch.Generator().manual_seed(1)
    return [torch.randint(10, vocabulary, (length,), generator=draw) for length in LENGTHS]


@pytest.mark.parametrize("family", ["mistral", "gemma"])
def test_logits_and_gradients_of_joined_rows_are_those_of_each(
    twins: Callable[[Any], Twin], family: Any
) -> None:
    import torch
    from transformers import AutoTokenizer

    base = twins(family).bits16
    spec = LoadSpec(base, "float32", load_in_4bit=False, max_length=128)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = engine("transformers").load_for_training(spec, LoraConfig(), tokenizer, seed=1)
    assert model.get_base_model().config._attn_implementation == "medft_rows"
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    ids, found = rows(300), []
    for batches in ([{"input_ids": row[None]} for row in ids], [joined(ids)]):
        logits = torch.cat([model(**batch, use_cache=False).logits[0] for batch in batches])
        model.zero_grad()
        logits.logsumexp(-1).sum().backward()
        gradients = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
        found.append((logits.detach(), torch.cat([each.flatten() for each in gradients])))
    (alone, alone_gradient), (together, together_gradient) = found
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert (together_gradient - alone_gradient).norm() < 1e-4 * alone_gradient.norm()


def test_padded_rows_and_windows_are_left_to_transformers() -> None:
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    from medft.engine.row_attention import attend_by_rows

    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
             "num_key_value_heads": 2}  # fmt: skip
    for window in (None, 4):
        model: Any = MistralForCausalLM(MistralConfig(vocab_size=64, sliding_window=window, **sizes)).eval()
        model.get_base_model = lambda model=model: model
        ids = rows(64)
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        seen = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
        with torch.no_grad():
            theirs = model(input_ids=padded, attention_mask=seen).logits[seen.bool()]
            attend_by_rows(model)
            ours = model(input_ids=padded, attention_mask=seen).logits[seen.bool()]
            together = model(**joined(ids), use_cache=False).logits[0]
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(together, theirs, rtol=1e-4, atol=1e-4)
