"""Likelihood of given answers: sums of log-probabilities over answer tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medft.inference.generation import BATCH_TOKENS, batches, left_padded
from medft.models.causal_lm import CausalLM
from medft.prompt.encoded import IGNORE, Encoded


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Negative log-probability of one answer, in nats."""

    nats: float
    """Summed over the tokens that training learns: the answer and its stop token."""
    tokens: int
    """How many those are."""
    answer_nats: float
    """Summed over the answer alone, without the stop token."""
    answer_tokens: int
    """How many those are."""
    answer_bytes: int
    """UTF-8 bytes of the answer: the denominator of bits per byte."""


def likelihoods(
    model: CausalLM,
    pad: int | None,
    rows: Sequence[Encoded],
    on_batch: Callable[[dict[int, Likelihood]], None] = lambda done: None,
    batch_tokens: int = BATCH_TOKENS,
) -> list[Likelihood]:
    """The likelihood of each row's answer, in the order of ``rows``; every row must be usable.

    Args:
        model: a causal LM in evaluation mode.
        pad: any id; padded positions are masked.
        rows: whole conversations with labels.
        on_batch: called after each batch with its likelihoods, by index into ``rows``.
        batch_tokens: most tokens of a batch, padding included; the logits of the answers alone are kept.
    """
    scored: dict[int, Likelihood] = {}
    for indices in batches([len(row.input_ids) for row in rows], 0, batch_tokens):
        done = dict(zip(indices, _score(model, pad, [rows[i] for i in indices]), strict=True))
        scored |= done
        on_batch(done)
    return [scored[i] for i in range(len(rows))]


def _score(model: CausalLM, pad: int | None, rows: list[Encoded]) -> list[Likelihood]:
    import torch

    inputs = left_padded([row.input_ids for row in rows], pad, model.device)
    keep = 1 + max(len(row.labels) - _first(row) for row in rows)
    width = inputs["input_ids"].shape[1]
    keep = min(keep, width)
    positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        logits = model(**inputs, position_ids=positions, logits_to_keep=keep, use_cache=False).logits
    targets = inputs["input_ids"][:, width - keep + 1 :]
    losses = [
        torch.nn.functional.cross_entropy(row_logits[:-1].float(), row_targets, reduction="none").cpu()
        for row_logits, row_targets in zip(logits, targets, strict=True)  # a row at a time: float32 is large
    ]
    return [_sums(row, loss.tolist()) for row, loss in zip(rows, losses, strict=True)]


def _sums(row: Encoded, losses: list[float]) -> Likelihood:
    """``losses`` belong to the last tokens of the row, left padding included where the row is short."""
    pairs = list(zip(reversed(row.labels), reversed(row.answer_bytes), reversed(losses), strict=False))
    learnt = [loss for label, _, loss in pairs if label != IGNORE]
    answer = [loss for _, size, loss in pairs if size >= 0]
    size = sum(size for size in row.answer_bytes if size >= 0)
    return Likelihood(sum(learnt), len(learnt), sum(answer), len(answer), size)


def _first(row: Encoded) -> int:
    """Index of the first learnt token."""
    return next(i for i, label in enumerate(row.labels) if label != IGNORE)
