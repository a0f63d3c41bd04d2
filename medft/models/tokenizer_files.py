"""The files of a tokenizer in a folder of its own: the base's, changed only where they must be."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medft.errors import EngineError
from medft.files import read_json, write_json, write_text
from medft.models.tokenizer import fingerprint, read
from medft.prompt.tokenizer import Tokenizer

TEMPLATE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"
FILES = (
    "added_tokens.json",
    TEMPLATE,
    "chat_template.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    SETTINGS,
    "vocab.json",
)
"""What transformers' tokenizers read, over all families."""
_AS_IT_IS = "PreTrainedTokenizerFast"
_ONLY_TRANSFORMERS_5 = ("backend", "is_local", "local_files_only")


def save(tokenizer: Tokenizer, base: Path, folder: Path) -> None:
    """Write the files of the tokenizer that was loaded from ``base`` into ``folder``: the base's own, byte
    for byte, but for a pad token or a chat template that was chosen and for words that only transformers 5
    reads.

    transformers 5 saves ``tokenizer_class: TokenizersBackend`` and where the tokenizer once lay, which older
    versions, and programs that rest on them, refuse. A class that would read the files differently where no
    config.json names the model (LlamaTokenizer for Mistral's) gives way to the one that takes tokenizer.json
    as it is.

    Raises:
        EngineError: what was written does not give the same tokens.
    """
    for name in FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    for name in (SETTINGS, "special_tokens_map.json"):
        if (folder / name).is_file():
            found = read_json(folder / name)
            wanted = _readable(found, tokenizer)
            if wanted != found:
                write_json(folder / name, wanted)
    if read(folder).chat_template != tokenizer.chat_template:
        _write_template(tokenizer, folder)
    if fingerprint(read(folder)) == fingerprint(tokenizer):
        return
    settings = read_json(folder / SETTINGS)
    write_json(folder / SETTINGS, settings | {"tokenizer_class": _AS_IT_IS})
    if fingerprint(read(folder)) != fingerprint(tokenizer):
        raise EngineError(
            "the tokenizer's files do not give the tokens that were trained with",
            where=str(base),
            remedy="fetch the model's tokenizer files again",
        )


def _write_template(tokenizer: Tokenizer, folder: Path) -> None:
    """The chat template that was trained with, in the one place that every version reads first."""
    settings = read_json(folder / SETTINGS)
    write_json(folder / SETTINGS, {key: settings[key] for key in settings if key != "chat_template"})
    (folder / "chat_template.json").unlink(missing_ok=True)
    write_text(folder / TEMPLATE, str(tokenizer.chat_template))


def _readable(found: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    wanted = {key: value for key, value in found.items() if key not in _ONLY_TRANSFORMERS_5}
    if wanted.get("tokenizer_class") == "TokenizersBackend":
        wanted["tokenizer_class"] = _AS_IT_IS
    pad = wanted.get("pad_token")
    if (pad["content"] if isinstance(pad, dict) else pad) != tokenizer.pad_token:
        wanted["pad_token"] = tokenizer.pad_token
    if "pad_token_id" in wanted:
        wanted["pad_token_id"] = tokenizer.pad_token_id
    return wanted
