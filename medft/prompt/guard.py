"""Texts that spell a special token stay text: their tokenizer knows the special tokens by other names."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from medft.errors import PromptError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_NONCE = secrets.token_hex(8)  # unguessable, so that no text can hold a guarded name


class Guard:
    """The special tokens of a tokenizer, kept apart from texts that spell them.

    Args:
        backend: the Rust tokenizer beneath.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self.special: dict[str, int] = {token.content: i for i, token in added.items() if token.special}
        """Ids of the special tokens by their strings."""
        longest_first = sorted(self.special, key=len)[::-1]
        self._first = {name[0] for name in self.special}
        self._spelt = re.compile("|".join(map(re.escape, longest_first)))

    def needed(self, texts: Iterable[str]) -> bool:
        """Whether one of ``texts`` spells a special token."""
        return any(any(first in text for first in self._first) and self._spelt.search(text) for text in texts)

    def rename(self, text: str) -> str:
        """``text`` of a chat template, its special tokens under the names that ``tokenizer`` knows."""
        return self._spelt.sub(lambda match: _name(self.special[match.group()]), text)

    @cached_property
    def tokenizer(self) -> Backend:
        """A copy of the tokenizer in which every special token has a name that no text contains, so that its
        usual name is ordinary text.

        Raises:
            PromptError: the names cannot be changed without moving ids.
        """
        from tokenizers import Tokenizer

        spec = json.loads(self._backend.to_str())
        spec["post_processor"] = spec["truncation"] = spec["padding"] = None
        for token in spec["added_tokens"]:
            if token["special"]:
                token["content"] = _name(token["id"])
        model = spec["model"]
        model["vocab"] = {
            _name(i) if word in self.special else word: i for word, i in dict(model["vocab"]).items()
        }
        if model.get("unk_token") in self.special:
            model["unk_token"] = _name(self.special[model["unk_token"]])
        guarded = Tokenizer.from_str(json.dumps(spec))
        moved = [i for i in self.special.values() if guarded.token_to_id(_name(i)) != i]
        if moved:
            raise PromptError(
                "texts that contain a special token's string cannot be kept as text with this tokenizer",
                where=f"special token ids {moved}",
                remedy="remove such rows, or use a model with a BPE tokenizer",
            )
        return guarded


def _name(token_id: int) -> str:
    return f"<{_NONCE}-{token_id}>"
