"""What medft uses of a causal language model in memory, plain or wrapped by PEFT: protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch.utils.hooks import RemovableHandle

Hook = Callable[["torch.nn.Module", tuple[object, ...], "DecoderOutput"], None]
"""Called after a forward pass with the layer, what went in and what came out."""


class DecoderOutput(Protocol):
    """What the decoder returns."""

    last_hidden_state: torch.Tensor

    def __getitem__(self, index: int) -> torch.Tensor:
        """The hidden states first, also where an engine returns a plain tuple."""


class Decoder(Protocol):
    """The layers below the output layer."""

    def __call__(self, **inputs: object) -> DecoderOutput:
        """A forward pass."""

    def register_forward_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook`` after every forward pass."""


class Output(Protocol):
    """What a forward pass returns."""

    logits: torch.Tensor


class Configuration(Protocol):
    """A ``transformers.PretrainedConfig``."""

    use_cache: bool


class CausalLM(Protocol):
    """A ``transformers.PreTrainedModel`` with an output layer over the vocabulary."""

    training: bool

    @property
    def config(self) -> Configuration:
        """Its sizes and switches."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    def __call__(self, **inputs: object) -> Output:
        """A forward pass."""

    def generate(self, **inputs: object) -> torch.Tensor:
        """Ids that continue prompts."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """All weights."""

    def modules(self) -> Iterator[torch.nn.Module]:
        """All layers."""

    def named_modules(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """All layers, by name."""

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The embedding."""

    def get_output_embeddings(self) -> torch.nn.Linear:
        """The output layer."""

    def get_decoder(self) -> Decoder:
        """All below the output layer."""

    def eval(self) -> CausalLM:
        """Switch to evaluation."""

    def train(self, mode: bool = True) -> CausalLM:
        """Switch to training, or back."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients."""

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, object]) -> None:
        """Recompute activations in the backward pass."""

    def enable_input_require_grads(self) -> None:
        """Let the embedding's output carry a gradient."""

    def save_pretrained(self, save_directory: str) -> None:
        """Write weights and configuration."""


class AdapterSettings(Protocol):
    """A ``peft.PeftConfig``."""

    base_model_name_or_path: str | None


class AdaptedLM(CausalLM, Protocol):
    """A ``peft.PeftModel``: a base with adapters."""

    active_adapter: str
    peft_config: dict[str, AdapterSettings]

    def get_base_model(self) -> CausalLM:
        """The base, its adapters in place."""

    def load_adapter(self, model_id: str, adapter_name: str, is_trainable: bool) -> object:
        """Put one more adapter beside the others."""

    def set_adapter(self, adapter_name: str) -> None:
        """Choose the adapter that computes."""

    def disable_adapter(self) -> AbstractContextManager[None]:
        """The base alone within the block."""


def base_of(model: CausalLM) -> CausalLM:
    """The base of a model that PEFT may have wrapped."""
    unwrap: Callable[[], CausalLM] = getattr(model, "get_base_model", lambda: model)
    return unwrap()
