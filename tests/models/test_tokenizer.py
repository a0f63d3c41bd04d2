"""Loading a tokenizer: what is chosen, what is refused, what its hash depends on."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.errors import ConfigError, EngineError, PromptError
from medft.models.tiny import Twin
from medft.models.tokenizer import fingerprint, load, stop_ids


@pytest.fixture
def copy(twins: Callable[[str], Twin], tmp_path: Path) -> Callable[..., Path]:
    """``copy(family, key=value)``: a twin's folder with tokenizer_config.json altered; None deletes a key."""

    def make(family: str, **changes: Any) -> Path:
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
        ("qwen3", "<|endoftext|>", "<|vision_pad|>"),  # as its own repositories have it
        ("qwen3", "<|im_end|>", "<|vision_pad|>"),
    ],
)
def test_pad_that_would_hide_the_stop_is_replaced_and_logged(
    family: str,
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


SMOLLM2 = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>",
)  # fmt: skip
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def small(folder: Path, special: tuple[str, ...], **settings: str) -> Path:
    """A tokenizer of a few words after the ``special`` tokens, with SmolLM2's kind of chat template."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*special, "user", "assistant", "?", "zygote", settings["eos_token"]]
    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, unk_token="?")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, chat_template=CHATML, **settings)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("special", "unk", "expected"),
    [
        (SMOLLM2, "<|endoftext|>", "<|endoftext|>"),  # unk is no stop, though its name says so
        (SMOLLM2, None, "<|endoftext|>"),  # never written by the template
        ((*SMOLLM2, "<|reserved_1|>"), "<|endoftext|>", "<|reserved_1|>"),
        ((*SMOLLM2, "<|reserved_1|>", "<|fim_pad|>"), "<|endoftext|>", "<|fim_pad|>"),
        (("<|im_start|>", "<|im_end|>", "<repo_name>"), None, "<repo_name>"),
        (("<|im_start|>", "<|im_end|>"), None, "zygote"),
    ],
)
def test_a_pad_that_is_the_stop_is_replaced_in_order(
    special: tuple[str, ...],
    unk: str | None,
    expected: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SmolLM2's own repository pads with its stop token."""
    named = {"unk_token": unk} if unk else {}
    folder = small(tmp_path, special, eos_token="<|im_end|>", pad_token="<|im_end|>", **named)
    with caplog.at_level(logging.WARNING, logger="medft"):
        tokenizer = load(folder)
    assert tokenizer.pad_token == expected
    assert tokenizer.pad_token_id not in stop_ids(tokenizer, folder)
    assert len(caplog.records) == 1
    assert ("ordinary word" in caplog.text) == (expected == "zygote")


def test_the_pad_token_that_is_named_is_taken(
    copy: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy("qwen3")
    with caplog.at_level(logging.WARNING, logger="medft"):
        assert load(folder, "<|fim_pad|>").pad_token == "<|fim_pad|>"
    assert "pad token" not in caplog.text
    for wrong, says in (("<|im_end|>", "also ends answers"), ("<|nothing|>", "not in this vocabulary")):
        with pytest.raises(ConfigError, match=says):
            load(folder, wrong)


def test_no_chat_template(copy: Callable[..., Path]) -> None:
    folder = copy("mistral")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PromptError, match=r"no chat template[^$]*model\.chat_template=phi3"):
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
