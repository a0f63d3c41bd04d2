"""Protocols of a causal language model in memory, plain or wrapped by PEFT."""
# ruff: noqa: D102 - the members are those of transformers and peft

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
    """What a decoder returns; the hidden states come first, also where an engine returns a plain tuple."""

    last_hidden_state: torch.Tensor

    def __getitem__(self, index: int) -> torch.Tensor: ...


class Decoder(Protocol):
    """The layers below the output layer."""

    def __call__(self, **inputs: object) -> DecoderOutput: ...
    def register_forward_hook(self, hook: Hook) -> RemovableHandle: ...


class Output(Protocol):
    """What a causal language model returns."""

    logits: torch.Tensor


class Configuration(Protocol):
    """A ``transformers.PretrainedConfig``."""

    use_cache: bool
    _attn_implementation: str

    def get_text_config(self) -> Configuration: ...


class CausalLM(Protocol):
    """A ``transformers.PreTrainedModel`` with an output layer over the vocabulary."""

    training: bool
    config: Configuration
    device: torch.device

    def __call__(self, **inputs: object) -> Output: ...
    def generate(self, **inputs: object) -> torch.Tensor: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def modules(self) -> Iterator[torch.nn.Module]: ...
    def named_modules(self) -> Iterator[tuple[str, torch.nn.Module]]: ...
    def get_input_embeddings(self) -> torch.nn.Embedding: ...
    def get_output_embeddings(self) -> torch.nn.Linear: ...
    def get_decoder(self) -> Decoder: ...
    def eval(self) -> CausalLM: ...
    def train(self, mode: bool = True) -> CausalLM: ...
    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Mapping[str, object]) -> None: ...
    def enable_input_require_grads(self) -> None: ...
    def set_attn_implementation(self, attn_implementation: str) -> None: ...
    def save_pretrained(self, save_directory: str) -> None: ...


class AdapterSettings(Protocol):
    """A ``peft.PeftConfig``."""

    base_model_name_or_path: str | None


class AdaptedLM(CausalLM, Protocol):
    """A ``peft.PeftModel``: a base with adapters."""

    active_adapter: str
    peft_config: dict[str, AdapterSettings]

    def get_base_model(self) -> CausalLM: ...
    def save_pretrained(
        self, save_directory: str, *, state_dict: Mapping[str, torch.Tensor] | None = None
    ) -> None: ...
    def load_adapter(self, model_id: str, adapter_name: str, is_trainable: bool) -> object: ...
    def set_adapter(self, adapter_name: str) -> None: ...
    def disable_adapter(self) -> AbstractContextManager[None]: ...


def base_of(model: CausalLM) -> CausalLM:
    """The base of a model that PEFT may have wrapped."""
    unwrap: Callable[[], CausalLM] = getattr(model, "get_base_model", lambda: model)
    return unwrap()
