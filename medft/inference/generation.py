"""Prompt ids -> replies, many at a time.

Prompts are sorted by length, so that a batch holds little padding, and padded on the left, so that every
reply starts at the same column. Under greedy decoding the replies are those of one prompt at a time in
float32; in bfloat16 a batch rounds otherwise, which now and then tips a near tie (on a tiny twin in 3 of 96
replies).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft.errors import ConfigError
from medft.models.causal_lm import CausalLM
from medft.prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

BATCH_TOKENS = 8_192
"""Tokens in a batch, prompts and replies, unless asked otherwise. The KV cache of Llama-2-7B, the largest of
the families with 0.5 MB a token in 16 bits, then takes 4 GB, which fits beside its 4-bit weights on a GPU of
16 GB."""
MAX_BATCH = 32
COLDEST = 0.01
"""Temperature below which logits divided by it overflow."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and when to give up."""

    max_new_tokens: int = 256
    """Longest reply, in tokens."""
    temperature: float = 0.0
    """0 takes the most likely token (greedy); above 0 samples from softmax(logits / temperature)."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens with this much probability (arXiv 1904.09751)."""
    seed: int = 0
    """Seeds the sampling; greedy decoding needs none."""

    def __post_init__(self) -> None:
        """Refuse values without a meaning.

        Raises:
            ConfigError: names the key.
        """
        if self.max_new_tokens < 1:
            raise ConfigError("'max_new_tokens' must be at least 1", remedy="set max_new_tokens=256")
        if not (self.temperature == 0 or COLDEST <= self.temperature <= 5):
            raise ConfigError(
                f"'temperature' must be 0, or from {COLDEST} to 5", remedy="set temperature=0 for greedy"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError("'top_p' must be above 0 and at most 1", remedy="set top_p=1")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of a model."""

    text: str
    """The reply, without special tokens and without blanks around it."""
    tokens: int
    """Tokens generated, the stop token included."""
    stopped: bool
    """Whether it ended with a stop token rather than at ``max_new_tokens``."""


def generate(
    model: CausalLM,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    sampling: Sampling,
    on_batch: Callable[[dict[int, Reply]], None] = lambda replies: None,
    batch_tokens: int = BATCH_TOKENS,
) -> list[Reply]:
    """The reply to each prompt, in the order of ``prompts``.

    Args:
        model: a causal LM in evaluation mode.
        tokenizer: its tokenizer, for padding and decoding.
        prompts: token ids that end where a reply begins.
        stop_ids: ids that end a reply.
        sampling: how to choose tokens.
        on_batch: called after each batch with its replies, by index into ``prompts``.
        batch_tokens: most tokens of a batch, padding and replies included.
    """
    replies: dict[int, Reply] = {}
    for rows in batches([len(prompt) for prompt in prompts], sampling.max_new_tokens, batch_tokens):
        batch = _generate(model, tokenizer, [prompts[i] for i in rows], stop_ids, sampling)
        done = dict(zip(rows, batch, strict=True))
        replies |= done
        on_batch(done)
    return [replies[i] for i in range(len(prompts))]


def batches(
    lengths: Sequence[int], extra: int, max_tokens: int, max_rows: int = MAX_BATCH
) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, so that what does not fit in memory fails at once
    and not at the end. ``extra`` tokens are added to each row's length; a row longer than ``max_tokens`` is a
    batch of its own."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[batch[0]] if batch else lengths[i]
        if batch and (len(batch) == max_rows or (len(batch) + 1) * (longest + extra) > max_tokens):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def left_padded(
    rows: Iterable[Sequence[int]], pad: int | None, device: torch.device
) -> dict[str, torch.Tensor]:
    """``input_ids`` and ``attention_mask``, padded on the left to the longest row."""
    import torch

    rows = list(rows)
    width = max(len(row) for row in rows)
    return {
        "input_ids": torch.tensor([[pad] * (width - len(r)) + list(r) for r in rows], device=device),
        "attention_mask": torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in rows], device=device),
    }


def settings(tokenizer: Tokenizer, stop_ids: Sequence[int], sampling: Sampling) -> GenerationConfig:
    """``transformers``' generation settings; nothing is taken from the checkpoint's own, so that every model
    is asked in the same way."""
    from transformers import GenerationConfig

    greedy = sampling.temperature == 0
    return GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=not greedy,
        temperature=None if greedy else sampling.temperature,
        top_p=None if greedy else sampling.top_p,
        top_k=None if greedy else 0,
        eos_token_id=list(stop_ids),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )


def _generate(
    model: CausalLM,
    tokenizer: Tokenizer,
    prompts: list[Sequence[int]],
    stop_ids: Sequence[int],
    sampling: Sampling,
) -> list[Reply]:
    import torch

    torch.manual_seed(sampling.seed)
    inputs = left_padded(prompts, tokenizer.pad_token_id, model.device)
    with torch.inference_mode():
        output = model.generate(**inputs, generation_config=settings(tokenizer, stop_ids, sampling))
    width = inputs["input_ids"].shape[1]
    return [_reply(ids[width:].tolist(), tokenizer, stop_ids) for ids in output]


def _reply(ids: list[int], tokenizer: Tokenizer, stop_ids: Sequence[int]) -> Reply:
    end = next((i for i, token in enumerate(ids) if token in stop_ids), None)
    kept = ids if end is None else ids[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True).strip()
    return Reply(text, len(ids) if end is None else end + 1, end is not None)
