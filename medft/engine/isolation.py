"""Do the examples of a padding-free batch see one another? Asked of the model itself, with one short forward.

Owns that question. Padding-free and packed batches put examples end to end in one sequence and rely on the
attention code to keep them apart; which code does depends on the architecture, the attention implementation
and the engine, and the ones that do not say nothing. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from medft.errors import EngineError

_PROBE_TOKENS = 12
_TOLERANCE = 0.05  # bfloat16 rounds logits by 1e-2 of their size; a leak moves them by their size
_MODEL_INPUTS = ("input_ids", "attention_mask", "position_ids", "packed_seq_lengths")

Row = Mapping[str, Any]


def check(trainer: Any) -> None:
    """Refuse a trainer whose padding-free batches leak; a padded one passes unseen.

    Args:
        trainer: built, with its data collator and rows of token ids.

    Raises:
        EngineError: an example's logits depend on the example before it.
    """
    if not getattr(trainer.data_collator, "padding_free", False):
        return
    difference = leak(trainer.model, trainer.data_collator, trainer.train_dataset[0])
    if difference > _TOLERANCE:
        raise EngineError(
            "this model lets the examples of a packed or padding-free batch see one another "
            f"(logits change by {difference:.0%})",
            remedy="set trainer.packing=false and trainer.padding_free=false",
        )


def leak(model: Any, collate: Callable[[list[Any]], dict[str, Any]], row: Row) -> float:
    """Relative change of an example's logits (root mean square) when another stands before it in the batch.

    Args:
        model: a causal LM.
        collate: rows -> batch, padding-free.
        row: any row; two examples of up to 12 tokens are cut from it.
    """
    tokens = min(_PROBE_TOKENS, len(row["input_ids"]))
    example, other = _cut(row, tokens), _cut(row, tokens, reverse=True)
    together = [other, example]
    if "seq_lengths" in row:  # packed rows: several examples in one
        together = [{key: other[key] + example[key] for key in example}]
    alone = _logits(model, collate, [example])
    behind = _logits(model, collate, together)[-len(alone) :]
    return float((behind - alone).norm() / alone.norm())


def _cut(row: Row, tokens: int, *, reverse: bool = False) -> dict[str, list[int]]:
    """The first ``tokens`` of every per-token column, as one example."""
    whole = len(row["input_ids"])
    columns = {key: list(value[:tokens]) for key, value in row.items() if _per_token(value, whole)}
    if reverse:
        columns = {key: value[::-1] for key, value in columns.items()}
    return columns | ({"seq_lengths": [tokens]} if "seq_lengths" in row else {})


def _per_token(value: Any, tokens: int) -> bool:
    return isinstance(value, list) and len(value) == tokens


def _logits(model: Any, collate: Callable[[list[Any]], dict[str, Any]], rows: list[Any]) -> Any:
    import torch

    device = next(model.parameters()).device
    batch = {key: value.to(device) for key, value in collate(rows).items() if key in _MODEL_INPUTS}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(**batch, use_cache=False).logits[0].float()
    finally:
        model.train(training)
