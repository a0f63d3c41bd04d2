"""What medft uses of a Hugging Face fast tokenizer: a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import tokenizers


class Tokenizer(Protocol):
    """A ``transformers.PreTrainedTokenizerFast``, in those members that medft uses."""

    pad_token: str | None
    chat_template: str | None

    @property
    def backend_tokenizer(self) -> tokenizers.Tokenizer:
        """The Rust tokenizer, which keeps the place of each token in the text."""

    @property
    def bos_token_id(self) -> int | None:
        """The id that begins a text."""

    @property
    def eos_token_id(self) -> int | None:
        """The id that ends a text."""

    @property
    def pad_token_id(self) -> int | None:
        """The id that fills up a batch."""

    @property
    def all_special_ids(self) -> list[int]:
        """Ids that have a role (BOS, EOS, padding, ...)."""

    @property
    def added_tokens_decoder(self) -> Mapping[int, tokenizers.AddedToken]:
        """Tokens beside the vocabulary proper, by id."""

    @property
    def special_tokens_map(self) -> Mapping[str, object]:
        """Special tokens by role."""

    def __len__(self) -> int:
        """Tokens of the vocabulary."""

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool = False
    ) -> object:
        """``conversation`` rendered with the template that travels with the weights."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Text -> ids."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Ids -> text."""

    def get_vocab(self) -> dict[str, int]:
        """Ids by token."""

    def save_pretrained(self, save_directory: str) -> object:
        """Write the tokenizer's files."""
