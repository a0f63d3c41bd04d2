"""Cross-entropy of an output layer over hidden states, a chunk of tokens at a time: no logits are kept, and
none are computed twice."""

from __future__ import annotations

from typing import Any

import torch

from medft.engine.base import cpu_chunk
from medft.prompt.encoded import IGNORE


class LinearCrossEntropy(torch.autograd.Function):
    """The sum of -log softmax(h W' + b)[target] over tokens, for a frozen W and b.

    The gradient of the hidden states, (softmax - one-hot) W, needs no more than the logits that give the
    loss, so both are taken from each chunk while it is there (Hsu et al. 2024, Liger Kernel, section 3.2).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        chunk: int,
    ) -> torch.Tensor:
        """The loss, in float32.

        Args:
            ctx: autograd's.
            hidden: (tokens, width).
            weight: (vocabulary, width), of the same type.
            bias: (vocabulary,), or None.
            targets: (tokens,).
            chunk: tokens whose logits are held at once.
        """
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets), chunk):
            piece = slice(start, start + chunk)
            logits, wanted = (hidden[piece] @ weight.t()).float(), targets[piece, None]
            if bias is not None:
                logits += bias
            normalizer = logits.logsumexp(-1, keepdim=True)
            total += (normalizer - logits.gather(1, wanted)).sum()
            if gradient is not None:
                share = logits.sub_(normalizer).exp_()
                share.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=share.dtype))
                gradient[piece] = share.to(weight.dtype) @ weight
        ctx.gradient = gradient
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None, None]:
        """The gradient of the hidden states."""
        return (None if ctx.gradient is None else ctx.gradient * outer[0]), None, None, None, None


def chunked_cross_entropy(
    hidden_states: torch.Tensor,
    lm_head_weight: torch.Tensor,
    chunk_size: int,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
    lm_head_bias: torch.Tensor | None = None,
    **plain: object,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """As TRL's ``_chunked_cross_entropy_loss``, for a frozen output layer that is all there is to logits.

    TRL computes the logits again in the backward pass, takes the entropy and the best token of each, and
    fills the last chunk up with tokens that do not count.

    Args:
        hidden_states: (rows, length, width).
        lm_head_weight: (vocabulary, width).
        chunk_size: tokens whose logits are held at once, at most.
        labels: (rows, length), -100 where there is no loss.
        num_items_in_batch: what the sum is divided by; None for the number of trained tokens.
        lm_head_bias: (vocabulary,), or None.
        plain: settings of models that scale or cap their logits, which ``has_plain_head`` has ruled out.

    Returns:
        Loss, and as TRL has them: right tokens and summed entropy, which nobody asks for here and are 0, and
        the number of trained tokens.
    """
    if hidden_states.device.type == "cpu":
        chunk_size = min(chunk_size, cpu_chunk(len(lm_head_weight)))
    trained = labels[:, 1:] != IGNORE
    hidden, count, nothing = hidden_states[:, :-1][trained], trained.sum(), hidden_states.new_zeros(())
    total = LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, lm_head_weight.to(hidden.dtype), lm_head_bias, labels[:, 1:][trained], chunk_size
    )
    divisor = count.clamp(min=1) if num_items_in_batch is None else num_items_in_batch
    return total / divisor, nothing, nothing, count
