"""Bytes that training an adapter takes, by formula: what is held throughout, and what a block's passes keep.

What is held throughout: base, adapter, its gradients and optimizer states (Anthony et al. 2023, Transformer
Math 101, EleutherAI; the base's 4 bits as in Dettmers et al. 2023, QLoRA, section 3). What comes and goes
with a batch: activations kept for the backward pass, counted tensor by tensor as in Korthikanti et al. 2022,
Reducing Activation Recomputation in Large Transformer Models, section 4, but for the operations that the two
engines really run.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from medft.engine.base import Checkpointing
from medft.models.registry import Dtype, ShapeConfig, parameters, projections

SIZES: dict[Dtype, int] = {"bfloat16": 2, "float16": 2, "float32": 4}
"""Bytes of a number."""

NF4_BYTES = 4 / 8 + 1 / 64 + 4 / (64 * 256)
"""Bytes per weight: 4 bits, an 8-bit scale per 64, a 32-bit scale per 256 of those (QLoRA, section 3)."""

ADAM_BYTES = {32: 8.0, 8: 2 + 2 * 4 / 256}
"""Bytes of AdamW's two states per weight, in 32 bits, or in 8 with a 32-bit scale per 256 of each."""

CUDA_LIBRARIES = 600_000_000
"""Kernels and work areas of cuBLAS, bitsandbytes and Triton outside of torch's allocator; an allowance."""
CPU_LIBRARIES = 1_040_000_000
"""Resident memory of a process that has imported the libraries of training and trained on next to no
tokens; measured (0.99 GB after the imports). What batches of ever new lengths leave behind, mostly in
oneDNN's cache of kernels, is not counted: measured on a twin, 0.1 GB after 30 of them, 0.6 GB after 250, then
no more."""
HOST_LIBRARIES = 4_000_000_000
"""The same beside a GPU, where CUDA's libraries are loaded too; an allowance."""
PASSING = 4
"""Gradients of a block's output, of the MLP's input, of the norm before it, and their sum. Fitted: the
longest rows that Unsloth publishes for cards of 8 to 80 GB (docs.unsloth.ai, Unsloth Benchmarks: Llama 3.1 8B
and 3.3 70B, rank 32, one row) then come out within 5%."""
CPU_HEAP = 1.65
"""Bytes that malloc holds for each byte that comes and goes with a batch, once batches of many lengths have
left their holes; measured with SmolLM2-135M and glibc 2.36."""
FRAGMENTATION = 1.05
"""torch's allocator holds somewhat more than it has given out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward pass is given."""

    rows: int
    """Sequences; 1 where examples are joined without padding."""
    length: int
    """Tokens of each, padding included."""

    @property
    def tokens(self) -> int:
        """Tokens processed."""
        return self.rows * self.length


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be trained, in the numbers that memory depends on."""

    shape: ShapeConfig
    """Sizes of the base."""
    adapter: int
    """Weights of the adapter."""
    targets: Collection[str]
    """Projections that have one."""
    dtype: Dtype
    """Compute type, and that of weights that are not quantised."""
    in_4bit: bool
    """Whether the projections are in NF4."""
    optimizer_bits: int
    """32 or 8."""
    checkpointing: Checkpointing
    """What is recomputed."""
    fused_lora: bool
    """Whether Unsloth's kernels compute the adapted projections; in float32 it leaves that to peft."""
    chunked_by: Literal["unsloth", "plain"]
    """Whose cross-entropy it is: both take the logits chunk by chunk."""
    varlen: bool
    """Whether attention is told lengths (xformers, FlashAttention) and needs no mask."""
    train: Batch
    """The largest training batch."""
    evaluate: Batch
    """The largest validation batch."""
    free: int = 2**63
    """Bytes free before anything is loaded; Unsloth sizes its chunks of logits by what is left."""
    on_gpu: bool = True
    """Whether the model is in a GPU's memory."""
    devices: int = 1
    """GPUs that each hold a copy, or a share."""
    sharded: bool = False
    """Whether it is a share."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on one device, by what they are for."""

    weights: int
    """The frozen base."""
    adapter: int
    """LoRA, in float32."""
    gradients: int
    """Gradients of the adapter, in float32."""
    optimizer: int
    """AdamW's states."""
    activations: int
    """Kept from forward to backward, for the largest training batch."""
    working: int
    """Largest thing that comes and goes within a step: logits, or the backward pass of one block."""
    validation: int
    """The same in validation, which keeps no activations."""
    libraries: int
    """What is not torch's own."""
    host: int
    """Host memory of a process beside a GPU; 0 without one."""
    gathered: int = 0
    """Parts of a base held in shares that are whole for a time."""

    @property
    def held(self) -> int:
        """Bytes that stay."""
        return self.weights + self.adapter + self.gradients + self.optimizer

    @property
    def training(self) -> int:
        """The peak of a training step; comparable with ``torch.cuda.max_memory_allocated()``."""
        return self.held + self.gathered + self.activations + self.working

    @property
    def validating(self) -> int:
        """The peak of validation."""
        return self.held + self.gathered + self.validation

    @property
    def needed(self) -> int:
        """What has to be free: the higher peak, fragmentation and libraries."""
        return int(max(self.training, self.validating) * FRAGMENTATION) + self.libraries


def weight_bytes(shape: ShapeConfig, dtype: Dtype, in_4bit: bool) -> int:
    """The base in memory and on disk: its projections in NF4 or ``dtype``, the rest in ``dtype``."""
    linear = shape.num_hidden_layers * sum(i * o for i, o in projections(shape).values())
    other = parameters(shape) - linear
    return int(linear * (NF4_BYTES if in_4bit else SIZES[dtype]) + other * SIZES[dtype])


def block_bytes_per_token(
    shape: ShapeConfig, targets: Collection[str], dtype: Dtype, fused_lora: bool, autocast: bool
) -> int:
    """What one block keeps for its backward pass, per token.

    The frozen projections keep nothing of their input, LoRA's A keeps it. Plain modules: each norm, those of
    queries and keys too, keeps its input in float32; adapted projections share their inputs under autocast,
    and without it each keeps a copy of its own, which peft casts to the adapter's float32; attention keeps q,
    k, v (repeated to all heads), its output and a float32 log-sum-exp per head; the MLP keeps its gate before
    and after the activation, and its up half. Unsloth's kernels share the inputs of q, k, v and of gate, up,
    and recompute the activation; for xformers, which its attention is without the package flash-attn, it
    repeats k and v too where gradients are wanted (unsloth 2026.10, utils/attention_dispatch.py). The r
    numbers between LoRA's A and B are left out.
    """
    size, hidden, inner = SIZES[dtype], shape.hidden_size, shape.intermediate_size
    queries = shape.num_attention_heads * shape.head_dim
    sums = 4 * shape.num_attention_heads
    if fused_lora:
        return size * (4 * hidden + 4 * queries + 2 * inner) + sums
    inputs = (
        _inputs(shape, targets, size)
        if autocast
        else 4 * sum(projections(shape)[target][0] for target in targets)
    )
    keys = shape.num_key_value_heads * shape.head_dim
    norms = shape.block_norms * hidden + (queries + keys if shape.qk_norm else 0)
    return 4 * norms + size * (4 * queries + 3 * inner) + inputs + sums


def _inputs(shape: ShapeConfig, targets: Collection[str], size: int) -> int:
    """What adapted projections keep of inputs that several of them have in common; the output projection's is
    what attention keeps."""
    names = set(targets)
    shared = ({"q_proj", "k_proj", "v_proj", "qkv_proj"}, {"gate_proj", "up_proj", "gate_up_proj"})
    width = sum(shape.hidden_size for group in shared if group & names)
    return size * (width + (shape.intermediate_size if "down_proj" in names else 0))


def kept(work: Workload) -> tuple[int, int]:
    """Bytes of activations on the device and, moved away by Unsloth, on the host."""
    size, hidden, layers = SIZES[work.dtype], work.shape.hidden_size, work.shape.num_hidden_layers
    inputs = work.train.tokens * hidden * size  # of one block: all that checkpointing keeps
    if work.checkpointing == "off":
        return layers * _block(work), 0
    if work.checkpointing == "standard":
        return layers * inputs, 0
    # Two buffers for what is on its way, and the last block's, which stays; pinned memory in powers of 2.
    return 3 * inputs, layers * 2 ** math.ceil(math.log2(inputs))


def _autocast(work: Workload) -> bool:
    """Whether products with the float32 adapter are computed in 16 bits."""
    return work.dtype == "bfloat16" or (work.on_gpu and work.dtype == "float16")


def _block(work: Workload) -> int:
    """What one block keeps for its backward pass, its copy of the attention mask included."""
    block = block_bytes_per_token(
        work.shape, work.targets, work.dtype, work.fused_lora, autocast=_autocast(work)
    )
    return block * work.train.tokens + _bias(work, work.train)


def backward(work: Workload) -> int:
    """The backward pass of one block: the gradients of the MLP's three inner tensors, without autocast in
    float32 too (Unsloth writes two of them over what it kept), and, where the block is recomputed first, what
    it keeps. Beside Unsloth's stand ``PASSING`` gradients as wide as the hidden states."""
    size = SIZES[work.dtype] + (0 if _autocast(work) else 4)
    width = (1 if work.fused_lora else 3) * work.shape.intermediate_size
    width += PASSING * work.shape.hidden_size if work.fused_lora else 0
    passing = width * size * work.train.tokens
    return passing if work.checkpointing == "off" else passing + _block(work)


def forward(work: Workload) -> int:
    """The MLP of one block, nothing kept: gate, up, their product."""
    mlp = 3 * work.shape.intermediate_size * SIZES[work.dtype] * work.evaluate.tokens
    return mlp + _bias(work, work.evaluate)


def scratch(work: Workload, batch: Batch) -> int:
    """The largest projection with its 4 bits unpacked, and the boolean mask that plain attention is given."""
    largest = max(i * o for i, o in projections(work.shape).values()) if work.in_4bit else 0
    mask = 0 if work.varlen else batch.rows * batch.length**2
    return largest * SIZES[work.dtype] + mask


def _bias(work: Workload, batch: Batch) -> int:
    """What scaled-dot-product attention makes of that mask in every block: a number to be added to each
    score, kept for the backward pass."""
    return 0 if work.varlen else batch.rows * batch.length**2 * SIZES[work.dtype]
