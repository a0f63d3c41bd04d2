"""Checks that attention does not leak between the examples of a padding-free batch, by one forward pass.

Padding-free and packed batches put examples end to end in one sequence and rely on the attention code to keep
them apart. Whether it does depends on the architecture, the attention implementation and the engine, and code
that does not says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medft.engine.trainer import Collate, EncodedRow, Trainer
from medft.errors import EngineError
from medft.models.causal_lm import CausalLM

if TYPE_CHECKING:
    import torch

_PROBE_TOKENS = 12
_TOLERANCE = 0.5  # half way between none and all
_MODEL_INPUTS = ("input_ids", "attention_mask", "position_ids", "packed_seq_lengths")


def check(trainer: Trainer) -> None:
    """Refuse a trainer whose padding-free batches leak; a padded one passes unseen.

    Args:
        trainer: built, with its data collator and rows of token ids.

    Raises:
        EngineError: an example's logits depend on the example before it.
    """
    if not getattr(trainer.data_collator, "padding_free", False):
        return
    with trainer.accelerator.autocast():
        share = leak(trainer.model, trainer.data_collator, trainer.train_dataset[0])
    if share > _TOLERANCE:
        raise EngineError(
            "in this model, examples of a packed or padding-free batch attend to one another "
            f"({share:.0%} of the effect without separation)",
            remedy="set trainer.packing=false and trainer.padding_free=false",
        )


def leak(model: CausalLM, collate: Collate, row: EncodedRow) -> float:
    """How far another example in the batch changes an example's logits, as a share of how far it does when
    the two are one example: 0 where they are kept apart (some percent in 16 bits), about 1 where not.

    Args:
        model: a causal LM.
        collate: rows -> batch, padding-free.
        row: any row; two examples of up to 12 tokens are cut from it.
    """
    tokens = min(_PROBE_TOKENS, len(row["input_ids"]))
    example = {key: list(value[:tokens]) for key, value in row.items() if _per_token(value, row)}
    other = {key: value[::-1] for key, value in example.items()}
    joined = {key: other[key] + example[key] for key in example}
    if "seq_lengths" in row:  # packed rows: several examples in one
        apart, one = [joined | {"seq_lengths": [tokens, tokens]}], joined | {"seq_lengths": [2 * tokens]}
        example["seq_lengths"] = [tokens]
    else:
        apart, one = [other, example], joined
    alone, behind, exposed = (_logits(model, collate, rows)[-tokens:] for rows in ([example], apart, [one]))
    return float((behind - alone).norm() / (exposed - alone).norm().clamp(min=1e-12))


def _per_token(value: object, row: EncodedRow) -> bool:
    return isinstance(value, list) and len(value) == len(row["input_ids"])


def _logits(model: CausalLM, collate: Collate, rows: Sequence[EncodedRow]) -> torch.Tensor:
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
