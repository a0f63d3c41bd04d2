"""The engine protocol, its settings, and how a base is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from medft.checked import Part, Positive, Rank
from medft.engine.trainer import Trainer
from medft.errors import ConfigError
from medft.models.causal_lm import AdaptedLM, CausalLM
from medft.models.registry import Dtype
from medft.prompt.tokenizer import Tokenizer

EngineName = Literal["unsloth", "transformers"]
Checkpointing = Literal["off", "standard", "unsloth"]
LossType = Literal["nll", "chunked_nll"]
"""One loss by its names in TRL: from all logits at once, or from those of trained tokens, chunk by chunk."""

_CPU_LOGITS = 24 << 20  # bytes in float32: memory that malloc keeps for the next chunk (``device``)
_CPU_TOKENS = 64, 256  # the fewest that make the reading of the output layer's weights worth it; TRL's
_EMBEDDINGS = {"embed_tokens", "lm_head"}
_ALL_LAYERS = "lora.target_modules=null takes every linear layer of the model's blocks"


def cpu_chunk(vocabulary: int) -> int:
    """Tokens whose logits a processor computes at once."""
    return min(max(_CPU_LOGITS // (4 * vocabulary), _CPU_TOKENS[0]), _CPU_TOKENS[1])


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """A low-rank adapter: W + s B A, A (r x in) random and B (out x r) zero at first (arXiv 2106.09685)."""

    r: Rank = 16
    """Rank of B A."""
    alpha: Positive = 16
    """Numerator of the scale s = alpha / r."""
    dropout: Part = 0.0
    """Share of an adapter's inputs zeroed in training."""
    target_modules: tuple[str, ...] | None = None
    """Linear layers that get an adapter, by the last part of their names; null: all linear layers of the
    model's blocks."""
    use_rslora: bool = False
    """Scale s = alpha / sqrt(r), steadier at large ranks (arXiv 2312.03732)."""
    use_dora: bool = False
    """Train a magnitude per output beside the direction (DoRA, arXiv 2402.09353); slower."""

    def __post_init__(self) -> None:
        """Refuse values that no adapter can have.

        Raises:
            ConfigError: names the key.
        """
        if self.target_modules is None:
            return
        if not self.target_modules or len(set(self.target_modules)) < len(self.target_modules):
            raise ConfigError(
                "'lora.target_modules' must name at least one layer, each once", remedy=_ALL_LAYERS
            )
        if embeddings := _EMBEDDINGS.intersection(self.target_modules):
            raise ConfigError(
                f"'lora.target_modules' cannot hold {', '.join(sorted(embeddings))}: "
                "the embedding and the output layer are never adapted",
                remedy=_ALL_LAYERS,
            )

    @property
    def scale(self) -> float:
        """s in W + s B A."""
        return self.alpha / (self.r**0.5 if self.use_rslora else self.r)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which library trains, and how it holds the base model."""

    name: Literal["auto", "unsloth", "transformers"] = "auto"
    """auto: Unsloth on a CUDA GPU, transformers elsewhere. Naming an engine that cannot run here is an
    error."""
    load_in_4bit: bool | None = None
    """QLoRA: hold the frozen base in 4 bits, NF4 with double quantization (arXiv 2305.14314); null: true on
    a GPU and for tiny twins, false for a real model on a CPU (16 bits)."""
    gradient_checkpointing: Literal["auto", "off", "standard", "unsloth"] = "auto"
    """Recompute activations in the backward pass instead of keeping them; unsloth also moves them to host
    memory. The losses are the same. auto: if memory requires it."""
    sharding: Literal["auto", "none", "fsdp"] = "auto"
    """fsdp: each of the training processes (GPUS=4) holds a shard of the base (PyTorch FSDP2, transformers
    engine); none: each holds the whole base. The losses are the same. auto: fsdp if one GPU cannot hold the
    base."""

    def __post_init__(self) -> None:
        """Refuse a pair that contradicts itself.

        Raises:
            ConfigError: Unsloth's checkpointing without Unsloth.
        """
        if self.name == "transformers" and self.gradient_checkpointing == "unsloth":
            raise ConfigError(
                "'engine.gradient_checkpointing=unsloth' needs 'engine.name=unsloth'",
                remedy="set engine.gradient_checkpointing=standard",
            )


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A base model on disk and how to hold it in memory."""

    path: Path
    """A local folder: config.json, safetensors, tokenizer. Hub ids are resolved to folders elsewhere."""
    dtype: Dtype
    """Type of the weights that are not quantised, and of the computation."""
    load_in_4bit: bool
    """NF4 base: as stored when the folder is quantised already, else quantised on load."""
    max_length: int
    """Longest sequence, in tokens; where the base's window is shorter, that."""
    gradient_checkpointing: Checkpointing = "off"
    """As in EngineConfig, decided."""
    sharded: bool = False
    """Whether the processes that train divide the base between them."""


class Engine(Protocol):
    """Loads models. Whatever it loads is on the GPU if there is one, and a plain ``PreTrainedModel`` or
    ``PeftModel`` to those who use it. The tokenizer handed over is read, never altered."""

    name: EngineName

    def why_not(self) -> str | None:
        """None, or why this machine cannot use the engine and what to do. Imports nothing heavy."""

    def activate(self) -> None:
        """Import and patch, once; before anything else imports transformers, trl or peft.

        Raises:
            EngineError: the driver lists a GPU that torch cannot use.
        """

    def load_for_training(
        self, spec: LoadSpec, lora: LoraConfig, tokenizer: Tokenizer, seed: int
    ) -> AdaptedLM:
        """The frozen base with a fresh adapter in float32, ready to be trained.

        Args:
            spec: the base.
            lora: the adapter; the same ``seed`` gives the same initial tensors in both engines.
            tokenizer: the one whose ids the model will see.
            seed: of the adapter's random half.

        Raises:
            EngineError: a folder that cannot be used, or a target module that the base does not have.
        """

    def loss_type(self, model: CausalLM) -> LossType:
        """How the trainer is to compute the loss of a model that was loaded for training."""

    def separate_examples(self, trainer: Trainer) -> None:
        """Let the padding-free batches of a trainer that has been built say where examples end, and prove it.

        Does nothing to a trainer that pads.

        Raises:
            EngineError: this model still lets examples see one another.
        """

    def load_for_generation(self, spec: LoadSpec, adapter: Path | None) -> CausalLM:
        """The base in evaluation mode, with the adapter of folder ``adapter`` if given.

        Raises:
            EngineError: a folder that cannot be used.
        """
