"""Detects tokenizers that add a second space after a special token of the chat template.

SentencePiece's old conversions put a blank before every piece of text; newer ones before the first alone. A
chat template made for the one kind and a tokenizer of the other give ids that the model has never seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

MARK = "▁"
"""SentencePiece's blank."""


def doubled_blank(backend: Backend, text: str) -> str:
    """The special token behind which one blank of ``text`` becomes two in its tokens; empty if none does."""
    encoding = backend.encode(text, add_special_tokens=False)
    added = backend.get_added_tokens_decoder().values()
    special = {token.content for token in added if token.special}
    for place, token in enumerate(encoding.tokens):
        end = encoding.offsets[place][1]
        if token not in special or text[end : end + 1] != " " or text[end + 1 : end + 2] == " ":
            continue
        behind = "".join(encoding.tokens[place + 1 : place + 3])
        if behind.startswith(2 * MARK):
            return token
    return ""
