"""Does a GGUF file make of a conversation what the model does that it was made from?

A converter guesses how a tokenizer splits text. A wrong guess is silent: the file loads, and the model reads
other tokens than it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medft.data.record import Message
from medft.errors import EngineError
from medft.prompt.chat import Chat

_CONVERSATION = (
    Message("user", "Is 37.5 °C a fever?  Naïve question – 熱がある 🤒"),
    Message("assistant", "No.\n\n\t- from 38 °C on: 1,234 of 10,000 in 2024\n    - it's rarely dangerous"),
    Message("user", "And <b>40</b> °C?"),
)
"""Digits, blanks in a row, tabs, line breaks, accents, other scripts: where ways of splitting differ."""


def check_gguf(file: Path, tokenizer: Any, stops: Sequence[int]) -> str | None:
    """Compare token ids, chat template and stop token of ``file`` with those of the model.

    Args:
        file: what a converter has written.
        tokenizer: the model's own.
        stops: ids that end the model's answers.

    Returns:
        Why token ids were not compared; None where they were, and are the same.

    Raises:
        EngineError: the file cannot be read, or differs.
    """
    fields = _fields(file)
    template = fields.get("tokenizer.chat_template")
    if template != tokenizer.chat_template:
        raise _wrong("another chat template" if template else "no chat template", file)
    if (stop := fields.get("tokenizer.ggml.eos_token_id")) not in stops:
        raise _wrong(f"the stop token {stop}, where the model has {', '.join(map(str, stops))}", file)
    return _check_ids(fields, tokenizer, file)


def _fields(file: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    try:
        return {name: field.contents() for name, field in GGUFReader(file).fields.items()}
    except (ValueError, IndexError, KeyError) as error:
        raise _wrong(f"no readable content ({error})", file) from error


def _check_ids(fields: Mapping[str, Any], tokenizer: Any, file: Path) -> str | None:
    from medft.models import gguf_tokenizer

    text = Chat(tokenizer).render(_CONVERSATION, generate=True)
    own = tokenizer(text, add_special_tokens=False)["input_ids"]
    try:
        words = gguf_tokenizer.tokenizer(fields)
    except EngineError as error:
        return error.what
    if words(text, add_special_tokens=False)["input_ids"] != own:
        raise _wrong("other token ids for the same text", file)
    return None


def _wrong(what: str, file: Path) -> EngineError:
    return EngineError(
        f"llama.cpp wrote a file that has {what}",
        where=file.name,
        remedy="its answers would be wrong, so it is not kept: try a newer llama.cpp, or format=ollama, "
        "which reads merged/ as it is",
    )
