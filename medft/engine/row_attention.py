"""Attention over rows that are joined end to end, row by row: on a processor, which has nothing better.

PyTorch's attention knows no joined rows. transformers gives it a mask over the whole square instead, most of
which is masked: eight rows of 256 tokens cost half as much again as by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from medft.models.causal_lm import AdaptedLM

NAME = "medft_rows"
"""What the attention is registered as."""


def attend_by_rows(model: AdaptedLM) -> None:
    """Let a model on a processor that computes PyTorch's attention compute joined rows one by one.

    Whether rows are kept apart is proved before each training (``isolation``). A layer with a sliding window
    is left to transformers' mask.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    base = model.get_base_model()
    if base.device.type != "cpu" or base.config.get_text_config()._attn_implementation != "sdpa":
        return
    ALL_ATTENTION_FUNCTIONS.register(NAME, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, mask)
    base.set_attn_implementation(NAME)


def mask(
    batch_size: int, q_length: int, kv_length: int, attention_mask: torch.Tensor | None = None,
    local_size: int | None = None, **kwargs: Any,
) -> torch.Tensor | None:  # fmt: skip
    """None for one sequence without padding or window, whose rows ``attention`` tells apart; else that of
    transformers."""
    from transformers.masking_utils import sdpa_mask

    if batch_size == 1 and q_length == kv_length and attention_mask is None and local_size is None:
        return None
    made: torch.Tensor | None = sdpa_mask(
        batch_size, q_length, kv_length, attention_mask=attention_mask, local_size=local_size, **kwargs
    )
    return made


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """PyTorch's attention within every row: a row begins where positions begin again.

    Args:
        module: the layer.
        query: (rows, heads, length, width).
        key: as above, with as many heads as there are.
        value: as above.
        attention_mask: None where there is nothing to mask but what comes later.
        position_ids: (rows, length), of every token in its row.
        kwargs: for PyTorch's attention.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    joined = attention_mask is None and position_ids is not None and query.shape[0] == 1
    starts = (position_ids[0] == 0).nonzero()[:, 0].tolist() if joined and position_ids is not None else []
    if len(starts) < 2:
        plain: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **kwargs
        )
        return plain
    parts = [
        sdpa_attention_forward(
            module, *(each[:, :, start:end] for each in (query, key, value)), None, **kwargs
        )[0]
        for start, end in zip(starts, [*starts[1:], query.shape[2]], strict=True)
    ]
    return torch.cat(parts, dim=1), None
