"""What the four families' repositories say of their tokenizers: special tokens, settings, chat template.

Owns these facts and the files that state them. Knows nothing of how a vocabulary is learnt, or of models.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from medft.models.registry import Family
from medft.models.tiny_sentencepiece import proto

TEMPLATES = Path(__file__).with_name("templates")
"""One Jinja chat template per family."""


@dataclass(frozen=True, slots=True)
class Specials:
    """The special tokens of a family and what its tokenizer_config.json says of them."""

    tokens: tuple[str, ...]
    """All of them, in the order of their ids."""
    tokenizer_class: str
    """As in the family's own repositories."""
    bos: str
    """Begins every sequence."""
    eos: str
    """The tokenizer's end of sequence."""
    pad: str
    """As in the family's 4-bit repositories; never an end of sequence."""
    stop: tuple[str, ...]
    """What ends generation, as in generation_config.json."""
    unk: str | None = None
    """Stands for what has no token; None where every byte has one."""
    legacy: bool | None = None
    """SentencePiece families: whether a blank is also put before the text after each special token."""


UNKNOWN = "<unk>"
SENTENCEPIECE = (UNKNOWN, "<s>", "</s>")
GEMMA = (
    "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]",
    *(f"<unused{n}>" for n in range(99)), "<start_of_turn>", "<end_of_turn>",
)  # fmt: skip
LLAMA3 = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eom_id|>", "<|eot_id|>", "<|python_tag|>", *(f"<|reserved_special_token_{n}|>" for n in range(3, 8)),
)  # fmt: skip

SPECIALS: dict[Family, Specials] = {
    "gemma": Specials(
        GEMMA, "GemmaTokenizer", "<bos>", "<eos>", "<pad>", ("<eos>", "<end_of_turn>"), unk="<unk>"
    ),
    "llama2": Specials(
        SENTENCEPIECE, "LlamaTokenizer", "<s>", "</s>", "<unk>", ("</s>",), unk="<unk>", legacy=False
    ),
    "mistral": Specials(
        SENTENCEPIECE, "LlamaTokenizer", "<s>", "</s>", "<unk>", ("</s>",), unk="<unk>", legacy=True
    ),
    "llama3_1": Specials(
        LLAMA3,
        "PreTrainedTokenizerFast",
        "<|begin_of_text|>",
        "<|eot_id|>",
        "<|finetune_right_pad_id|>",
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
    ),
}


def save(family: Family, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files of a hub repository: tokenizer.json, tokenizer_config.json, chat_template.jinja, and
    tokenizer.model for a SentencePiece family."""
    special = SPECIALS[family]
    config: dict[str, Any] = {
        "tokenizer_class": special.tokenizer_class,
        "bos_token": special.bos,
        "eos_token": special.eos,
        "pad_token": special.pad,
        "unk_token": special.unk,
        "legacy": special.legacy,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "added_tokens_decoder": {
            str(number): _as_json(token) for number, token in tokenizer.get_added_tokens_decoder().items()
        },
    }
    if special.unk is not None:
        config |= {"add_bos_token": True, "add_eos_token": False}
    known = {name: value for name, value in config.items() if value is not None}
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(known, indent=2), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(_template(family), encoding="utf-8")
    if special.unk is not None:
        dummy_prefix = special.legacy is not None
        (folder / "tokenizer.model").write_bytes(proto(tokenizer, special.unk, dummy_prefix))


def chat(family: Family, question: str, answer: str) -> str:
    """One exchange as the family's chat template writes it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    special = SPECIALS[family]
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    ((text,), _) = render_jinja_template(
        [turns], chat_template=_template(family), bos_token=special.bos, eos_token=special.eos
    )
    return str(text)


def _template(family: Family) -> str:
    return (TEMPLATES / f"{family}.jinja").read_text(encoding="utf-8")


def _as_json(token: AddedToken) -> dict[str, Any]:
    return {
        "content": token.content,
        "lstrip": token.lstrip,
        "normalized": token.normalized,
        "rstrip": token.rstrip,
        "single_word": token.single_word,
        "special": token.special,
    }
