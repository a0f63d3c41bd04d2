"""The script that makes family folders: it reproduces the shipped ones, byte for byte, and its two formats
agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft.models.families import folder_of, names
from tools import make_families

ODD = [
    "[INST] What? [/INST]",
    "a\n b     c",
    "é ü 漢字 🙂\t.",
    "x" * 50,
    "end\n\n\n\nof   it",
    f"a{' ' * 40}b",
]
BY_HAND = {"llama2/chat_template.jinja", "mistral/chat_template.jinja"}


def test_running_it_again_gives_the_shipped_files(tmp_path: Path) -> None:
    make_families.main(tmp_path)
    assert sorted(make_families.FAMILIES) == names()
    for name in names():
        shipped = {f"{name}/{path.name}": path.read_bytes() for path in folder_of(name).iterdir()}
        made = {f"{name}/{path.name}": path.read_bytes() for path in (tmp_path / name).iterdir()}
        assert shipped.keys() - made.keys() == {file for file in BY_HAND if file.startswith(name)}
        assert all(shipped[file] == content for file, content in made.items())


@pytest.mark.parametrize("family", ["gemma", "llama2", "mistral"])
def test_sentencepiece_splits_as_tokenizer_json(family: str, samples: list[str]) -> None:
    from sentencepiece import SentencePieceProcessor
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder_of(family) / "tokenizer.json"))
    sentencepiece = SentencePieceProcessor(str(folder_of(family) / "tokenizer.model"))
    for text in samples + ODD:
        assert sentencepiece.encode(text) == tokenizer.encode(text, add_special_tokens=False).ids
    assert sentencepiece.is_unknown(tokenizer.token_to_id("<unk>"))
    assert sentencepiece.is_control(tokenizer.encode("").ids[0])
    assert sentencepiece.is_byte(tokenizer.token_to_id("<0x09>"))


def test_a_byte_level_family_has_none() -> None:
    assert not [name for name in ("llama3_1", "qwen3") if (folder_of(name) / "tokenizer.model").exists()]
