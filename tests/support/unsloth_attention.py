"""xformers' attention as the same mathematics in torch; part of ``unsloth_on_cpu``.

Only the kernels are replaced: its own classes still make the masks, its own checks judge the inputs, and
its kernels say whether they would take them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_ELSEWHERE = "device=cpu"
"""Why every kernel refuses on this machine."""


def stand_in(capability: tuple[int, int]) -> None:
    """Let xformers compute on a CPU whatever it could on a card of that compute capability."""
    from xformers.ops import fmha

    flash = [(fmha.flash.FwOp, fmha.flash.BwOp)] if capability >= (8, 0) else []
    kernels = [*flash, (fmha.cutlass.FwOp, fmha.cutlass.BwOp)]

    def attention(
        query: Tensor, key: Tensor, value: Tensor, attn_bias: Any = None, p: float = 0.0,
        scale: float | None = None, **_: Any,
    ) -> Tensor:  # fmt: skip
        given = fmha.Inputs(query=query, key=key, value=value, attn_bias=attn_bias, p=p, scale=scale)
        given.validate_inputs()
        wants_gradient = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
        refused = [
            reason
            for forward, backward in kernels
            if (reason := _refusal(forward, given) + (_refusal(backward, given) if wants_gradient else []))
        ]
        assert len(refused) < len(kernels), f"no kernel of xformers takes this on {capability}: {refused}"
        size = query.shape[1], key.shape[1]
        mask = None if attn_bias is None else attn_bias.materialize(size, dtype=query.dtype)
        out = torch.nn.functional.scaled_dot_product_attention(
            *(_by_head(x) for x in (query, key, value)), attn_mask=mask, dropout_p=p, scale=scale
        )
        return out.transpose(1, 2).reshape(*query.shape[:-1], value.shape[-1])

    fmha.memory_efficient_attention = attention


def _refusal(kernel: Any, given: Any) -> list[str]:
    return [reason for reason in kernel.not_supported_reasons(given) if not reason.startswith(_ELSEWHERE)]


def _by_head(x: Tensor) -> Tensor:
    """(rows, heads, length, width) of (rows, length, heads, width), or of (..., groups, heads, width)."""
    return (x.flatten(2, 3) if x.dim() == 5 else x).transpose(1, 2)
