"""A tokenizer of the old kind with a chat template of the new one is refused before any row is encoded."""

import json

import pytest
from tokenizers import Tokenizer

from medft.errors import PromptError
from medft.models import tokenizer as tokenizers
from medft.paths import conf_dir
from medft.prompt.blanks import doubled_blank
from medft.prompt.encode import Encoder

OLD = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}
"""How SentencePiece models were converted before: a blank before every piece of text."""


@pytest.fixture
def folder(twins, tmp_path):
    """Mistral's tokenizer files with the old conversion of its blanks."""
    source = twins("mistral").bits16
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        if (source / name).is_file():
            (tmp_path / name).write_bytes((source / name).read_bytes())
    spec = json.loads((tmp_path / "tokenizer.json").read_text())
    spec["normalizer"], spec["pre_tokenizer"] = OLD, None
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec))
    return tmp_path


def test_an_old_tokenizer_with_a_new_chat_template_is_refused(folder):
    tokenizer = tokenizers.load(folder)
    assert doubled_blank(tokenizer.backend_tokenizer, "<s> [INST] What? [/INST] That.</s>") == "<s>"
    with pytest.raises(PromptError, match="adds a second space") as error:
        Encoder(tokenizer, 512, tokenizers.stop_ids(tokenizer))
    assert "same version" in error.value.remedy


def test_the_old_tokenizer_is_right_with_the_old_chat_template(folder):
    tokenizer = tokenizers.load(folder)
    tokenizer.chat_template = tokenizer.chat_template.replace("' [INST] '", "'[INST] '")
    assert doubled_blank(tokenizer.backend_tokenizer, "<s>[INST] What? [/INST] That.</s>") == ""
    Encoder(tokenizer, 512, tokenizers.stop_ids(tokenizer))  # refuses nothing


FILES = sorted((conf_dir() / "family").glob("*/tokenizer.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parts[-2])
def test_no_shipped_tokenizer_doubles_a_blank(file):
    assert doubled_blank(Tokenizer.from_file(str(file)), "<s> [INST] What? [/INST] That.</s> [INST]") == ""
