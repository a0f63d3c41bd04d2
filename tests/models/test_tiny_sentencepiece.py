"""A twin's tokenizer.model against the SentencePiece library: the same ids as tokenizer.json gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medft.models import tiny
from medft.models.registry import Family
from medft.models.tiny import Twin

ODD = ["[INST] What? [/INST]", "a\n b     c", "é ü 漢字 🙂\t.", "x" * 50, "end\n\n\n\nof   it"]


@pytest.mark.parametrize("family", ["gemma", "llama2", "mistral"])
def test_sentencepiece_splits_as_tokenizer_json(twins: Callable[[Family], Twin], family: Family) -> None:
    from sentencepiece import SentencePieceProcessor
    from transformers import AutoTokenizer

    folder = twins(family).bits16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sentencepiece = SentencePieceProcessor(str(folder / "tokenizer.model"))
    texts = [f"{question}\n\n{answer}" for question, answer in tiny._pairs()]
    for text in texts + ODD:
        assert sentencepiece.encode(text) == tokenizer.encode(text, add_special_tokens=False)
    assert sentencepiece.is_unknown(tokenizer.unk_token_id)
    assert sentencepiece.is_control(tokenizer.bos_token_id)
    assert sentencepiece.is_byte(tokenizer.convert_tokens_to_ids("<0x09>"))


def test_a_byte_level_family_has_none(twins: Callable[[Family], Twin]) -> None:
    assert not (twins("llama3_1").bits16 / "tokenizer.model").exists()
