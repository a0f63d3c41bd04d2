"""Bytes that a step of supervised fine-tuning takes: one forward and backward pass, and its loss's logits."""

from __future__ import annotations

import math

from medft.engine.base import cpu_chunk
from medft.training import memory_shards
from medft.training.memory import (
    ADAM_BYTES,
    CPU_HEAP,
    CPU_LIBRARIES,
    CUDA_LIBRARIES,
    HOST_LIBRARIES,
    SIZES,
    Batch,
    Estimate,
    Workload,
    backward,
    forward,
    kept,
    scratch,
    weight_bytes,
)

# A chunk of Unsloth's fused cross-entropy is no larger than this, or than half of what is free,
_CHUNK_BYTES = 4 * 2**30
_CHUNK_BYTES_PER_LOGIT = 16  # reckoned at this much per logit; beyond one, chunks come in fours
_CHUNK_TOKENS = 256  # of TRL's chunked cross-entropy


def estimate(work: Workload) -> Estimate:
    """The bytes that ``work`` needs on each device."""
    base, share = (work.shape, work.dtype, work.in_4bit), work.devices if work.sharded else 1
    weights = memory_shards.held(*base, share) if work.sharded else weight_bytes(*base)
    adapter = 4 * work.adapter // share
    gradients = adapter * (1 if work.devices == share else 2)  # DDP copies them into its buckets
    optimizer = int(ADAM_BYTES[work.optimizer_bits] * work.adapter) // share
    held, offloaded = kept(work)
    # Before the first backward pass there are neither gradients nor states.
    chunk = min(_CHUNK_BYTES, max(work.free - CUDA_LIBRARIES - weights - adapter, 2) // 2)
    training = max(_logits(work, work.train, chunk, training=True), backward(work))
    training += scratch(work, work.train)
    validation = max(_logits(work, work.evaluate, chunk, training=False), forward(work))
    heap = 1.0 if work.on_gpu else CPU_HEAP
    return Estimate(
        weights=weights,
        adapter=adapter,
        gradients=gradients,
        optimizer=optimizer,
        activations=int(heap * held),
        working=int(heap * training),
        validation=int(heap * (validation + scratch(work, work.evaluate))),
        libraries=CUDA_LIBRARIES if work.on_gpu else CPU_LIBRARIES,
        host=HOST_LIBRARIES + offloaded if work.on_gpu else 0,
        gathered=memory_shards.gathered(*base) if work.sharded else 0,
    )


def _logits(work: Workload, batch: Batch, chunk: int, training: bool) -> int:
    """Logits and what cross-entropy makes of them, a chunk of tokens at a time.

    Per logit: in the compute type; in float32 its upcast, the log-softmax, and in training the gradient.
    Beside it, in training, the gradient of the hidden states; TRL's chunks are taken from a copy of them, and
    give their gradient one by one.
    """
    per_logit = SIZES[work.dtype] + (3 if training else 2) * 4
    hidden = batch.tokens * work.shape.hidden_size * SIZES[work.dtype] if training else 0
    if work.chunked_by == "unsloth":
        reckoned = batch.tokens * work.shape.vocab_size * _CHUNK_BYTES_PER_LOGIT / chunk
        chunks = min(4 * math.ceil(reckoned / 4), batch.tokens) if reckoned > 1 else 1
        return math.ceil(batch.tokens / chunks) * work.shape.vocab_size * per_logit + hidden
    at_once = _CHUNK_TOKENS if work.on_gpu else cpu_chunk(work.shape.vocab_size)
    return min(batch.tokens, at_once) * work.shape.vocab_size * per_logit + 3 * hidden
