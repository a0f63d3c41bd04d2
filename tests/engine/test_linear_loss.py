"""The chunked cross-entropy beside PyTorch's own, and beside TRL's whose place it takes."""

from __future__ import annotations

from typing import Any

import pytest


def drawn(dtype: Any, bias: bool) -> tuple[Any, Any, Any, Any]:
    """Hidden states of two rows of nine tokens, an output layer over 50 words, 13 trained tokens."""
    import torch

    draw = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 9, 16, generator=draw).to(dtype).requires_grad_()
    weight = torch.randn(50, 16, generator=draw).to(dtype)
    labels = torch.randint(0, 50, (2, 9), generator=draw)
    labels[0, :4] = -100
    return hidden, weight, torch.randn(50, generator=draw).to(dtype) if bias else None, labels


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chunk", [4, 256])
def test_loss_and_gradient_are_those_of_whole_logits(
    dtype: str, tolerance: float, bias: bool, chunk: int
) -> None:
    import torch
    from torch.nn.functional import cross_entropy, linear

    from medft.engine.linear_loss import chunked_cross_entropy

    hidden, weight, offset, labels = drawn(getattr(torch, dtype), bias)
    logits = linear(hidden[:, :-1], weight, offset).float()
    expected = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="sum") / 20
    expected.backward()
    wanted, hidden.grad = hidden.grad.float(), None
    found, *_, count = chunked_cross_entropy(
        hidden, weight, chunk, labels=labels, num_items_in_batch=20, lm_head_bias=offset
    )
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=tolerance) and count == 13
    assert (hidden.grad.float() - wanted).norm() < tolerance * wanted.norm()
    with torch.no_grad():
        assert chunked_cross_entropy(hidden, weight, chunk, labels=labels)[0] > 0


def test_it_is_called_as_trls_is_and_a_row_without_labels_costs_nothing() -> None:
    import torch
    from trl.trainer import sft_trainer

    from medft.engine import compat
    from medft.engine.linear_loss import chunked_cross_entropy

    theirs = sft_trainer._chunked_cross_entropy_loss
    compat.compute_logits_once()
    assert sft_trainer._chunked_cross_entropy_loss is chunked_cross_entropy
    hidden, weight, _, labels = drawn(torch.float32, bias=False)
    given = {"shift_labels": None, "logit_scale": 1.0, "final_logit_softcapping": None, "lm_head_bias": None}
    for items in (None, 7):
        ours, *_, count = chunked_cross_entropy(
            hidden, weight, 4, labels=labels, num_items_in_batch=items, **given
        )
        if theirs is not chunked_cross_entropy:
            loss, *_, tokens = theirs(hidden, weight, 4, labels=labels, num_items_in_batch=items, **given)
            assert ours.item() == pytest.approx(loss.item(), rel=1e-5) and count == tokens
    nothing, *_ = chunked_cross_entropy(hidden, weight, 4, labels=torch.full_like(labels, -100))
    nothing.backward()
    assert nothing == 0 and not hidden.grad.any()
