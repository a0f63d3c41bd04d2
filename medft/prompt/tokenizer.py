"""Protocol of a Hugging Face fast tokenizer."""
# ruff: noqa: D102 - the members are those of transformers

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import tokenizers

Turns = list[dict[str, str]]
"""A conversation as chat templates take it: role and content of each turn."""


class Tokenizer(Protocol):
    """A ``transformers.PreTrainedTokenizerFast``."""

    backend_tokenizer: tokenizers.Tokenizer
    chat_template: str | None
    pad_token: str | None
    bos_token: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    unk_token: str | None

    @property
    def pad_token_id(self) -> int | None: ...
    @property
    def all_special_ids(self) -> list[int]: ...
    @property
    def special_tokens_map(self) -> Mapping[str, object]: ...
    @property
    def added_tokens_decoder(self) -> Mapping[int, tokenizers.AddedToken]: ...
    def __len__(self) -> int: ...
    def apply_chat_template(
        self, conversation: Turns, *, tokenize: bool, add_generation_prompt: bool = False
    ) -> object: ...
    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...
    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str: ...
    def get_vocab(self) -> dict[str, int]: ...
    def save_pretrained(self, save_directory: str) -> object: ...
