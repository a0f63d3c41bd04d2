"""Loading a tokenizer: what is chosen, what is refused, what its hash depends on."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.errors import EngineError, PromptError
from medft.models.registry import Family
from medft.models.tiny import Twin
from medft.models.tokenizer import fingerprint, load, stop_ids


@pytest.fixture
def copy(twins: Callable[[Family], Twin], tmp_path: Path) -> Callable[..., Path]:
    """``copy(family, key=value)``: a twin's folder with tokenizer_config.json altered; None deletes a key."""

    def make(family: Family, **changes: Any) -> Path:
        folder = tmp_path / f"{family}{len(list(tmp_path.iterdir()))}"
        ignore = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(twins(family).bits16, folder, ignore=ignore)
        path = folder / "tokenizer_config.json"
        values = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
        return folder

    return make


@pytest.mark.parametrize(
    ("family", "pad", "expected"),
    [
        ("mistral", None, "<unk>"),
        ("mistral", "</s>", "<unk>"),
        ("llama3_1", "<|eot_id|>", "<|finetune_right_pad_id|>"),
        ("llama3_1", "<|end_of_text|>", "<|finetune_right_pad_id|>"),
        ("gemma", "<end_of_turn>", "<pad>"),
    ],
)
def test_pad_that_would_hide_the_stop_is_replaced_and_logged(
    family: Family,
    pad: str | None,
    expected: str,
    copy: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="medft"):
        tokenizer = load(copy(family, pad_token=pad))
    assert tokenizer.pad_token == expected
    assert expected in caplog.text


def test_a_good_tokenizer_is_left_alone(copy: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="medft"):
        assert load(copy("gemma")).pad_token == "<pad>"
    assert "pad token" not in caplog.text


def test_no_chat_template(copy: Callable[..., Path]) -> None:
    folder = copy("mistral")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PromptError, match="no chat template"):
        load(folder)


def test_a_template_that_fails(copy: Callable[..., Path]) -> None:
    folder = copy("mistral")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('never') }}")
    with pytest.raises(PromptError, match="refuses"):
        load(folder)


def test_no_end_of_sequence(copy: Callable[..., Path]) -> None:
    with pytest.raises(PromptError, match="end-of-sequence"):
        load(copy("llama3_1", eos_token=None))


def test_no_tokenizer_and_a_damaged_one(copy: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy("llama3_1")
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(EngineError, match="cannot be loaded"):
        load(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match="no tokenizer"):
        load(folder)


def test_stop_ids_come_from_three_places(copy: Callable[..., Path]) -> None:
    folder = copy("gemma")
    tokenizer = load(folder)
    assert stop_ids(tokenizer) == (1, 107)  # <eos>, and the template's <end_of_turn>
    (folder / "generation_config.json").write_text('{"eos_token_id": 5}')
    assert stop_ids(tokenizer, folder) == (1, 5, 107)
    (folder / "generation_config.json").unlink()
    (folder / "config.json").write_text('{"model_type": "gemma", "eos_token_id": [1, 6]}')
    assert stop_ids(tokenizer, folder) == (1, 6, 107)


def test_fingerprint_follows_what_makes_ids(copy: Callable[..., Path]) -> None:
    first, same = load(copy("mistral")), load(copy("mistral"))
    assert fingerprint(first) == fingerprint(same)
    same(["a", "a b"], padding=True, truncation=True, max_length=4)  # leaves state behind, changes no id
    assert fingerprint(first) == fingerprint(same)
    same.chat_template += " "
    assert fingerprint(first) != fingerprint(same)
    assert fingerprint(first) != fingerprint(load(copy("llama2")))
