"""Families: where they are found, and the tokenizers of the shipped ones against what the real ones are known
to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from medft.compose import settings, with_config_dir
from medft.errors import ConfigError, DataError
from medft.models import tokenizer as tokenizers
from medft.models.families import folder_of, names
from medft.models.tiny import Twin, twin
from medft.verbs.prepare import run as prepare
from tests.support.rendered import GOLDEN

SYSTEM, QUESTION, ANSWER = "You are a medical professional.", "What is asthma?", "A chronic lung disease."
FAMILIES = tuple(GOLDEN)
SECOND = {
    "gemma": "<start_of_turn>user\nAnd COPD?<end_of_turn>\n",
    "llama2": "<s>[INST] And COPD? [/INST]",
    "mistral": " [INST] And COPD? [/INST]",
    "llama3_1": "<|start_header_id|>user<|end_header_id|>\n\nAnd COPD?<|eot_id|>",
    "qwen3": "<|im_start|>user\nAnd COPD?<|im_end|>\n",
}
THOUGHTS = "<think>\n\n</think>\n\n"
PADS = {
    "gemma": "<pad>",
    "llama2": "<unk>",
    "mistral": "<unk>",
    "llama3_1": "<|finetune_right_pad_id|>",
    "qwen3": "<|vision_pad|>",  # its own, <|endoftext|>, is one of its stops
}
STOPS = {
    "gemma": ["<eos>", "<end_of_turn>"],
    "llama2": ["</s>"],
    "mistral": ["</s>"],
    "llama3_1": ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
    "qwen3": ["<|endoftext|>", "<|im_end|>"],
}
FOLDS = ("gemma", "mistral")


@pytest.fixture(scope="module")
def loaded(twins: Callable[[str], Twin]) -> Callable[[str], Any]:
    cache: dict[str, Any] = {}

    def load(family: str) -> Any:
        if family not in cache:
            cache[family] = tokenizers.load(twins(family).nf4)
        return cache[family]

    return load


def turns(family: str) -> list[dict[str, str]]:
    first = f"{SYSTEM}\n\n{QUESTION}" if family in FOLDS else QUESTION
    system = [] if family in FOLDS else [{"role": "system", "content": SYSTEM}]
    return [*system, {"role": "user", "content": first}, {"role": "assistant", "content": ANSWER}]


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_conversation(family: str, loaded: Callable[[str], Any]) -> None:
    assert loaded(family).apply_chat_template(turns(family), tokenize=False) == GOLDEN[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_form_is_a_prefix_in_text_and_ids(family: str, loaded: Callable[[str], Any]) -> None:
    tokenizer = loaded(family)
    prompt = tokenizer.apply_chat_template(turns(family)[:-1], tokenize=False, add_generation_prompt=True)
    assert GOLDEN[family].startswith(prompt)
    assert GOLDEN[family][len(prompt) :].removeprefix(THOUGHTS).lstrip(" ").startswith(ANSWER)
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, GOLDEN[family])]
    assert ids[1][: len(ids[0])] == ids[0]
    assert ids[1].count(tokenizer.bos_token_id) == (tokenizer.bos_token_id is not None)


@pytest.mark.parametrize("family", FAMILIES)
def test_second_turn(family: str, loaded: Callable[[str], Any]) -> None:
    more = [*turns(family), {"role": "user", "content": "And COPD?"}]
    text = loaded(family).apply_chat_template(more, tokenize=False)
    assert (
        text == GOLDEN[family].replace(THOUGHTS, "") + SECOND[family]
    )  # thoughts of earlier turns are left out


@pytest.mark.parametrize("family", FOLDS)
def test_system_role_is_refused(family: str, loaded: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match=r"(?i)system|roles"):
        loaded(family).apply_chat_template([{"role": "system", "content": SYSTEM}, *turns(family)])


@pytest.mark.parametrize("family", ("gemma", "llama2", "mistral"))
def test_turns_must_alternate(family: str, loaded: Callable[[str], Any]) -> None:
    user = {"role": "user", "content": QUESTION}
    with pytest.raises(Exception, match="alternate"):
        loaded(family).apply_chat_template([user, user])


def test_llama3_dates_every_conversation(loaded: Callable[[str], Any]) -> None:
    user = [{"role": "user", "content": QUESTION}]
    text = loaded("llama3_1").apply_chat_template(user, tokenize=False, date_string="21 Nov 2026")
    assert "Today Date: 21 Nov 2026\n\n<|eot_id|>" in text


def test_special_ids(loaded: Callable[[str], Any]) -> None:
    gemma, llama3 = loaded("gemma"), loaded("llama3_1")
    assert gemma.convert_tokens_to_ids(["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"]) == [
        0, 1, 2, 106, 107,
    ]  # fmt: skip
    for family in ("llama2", "mistral"):
        tokenizer = loaded(family)
        assert tokenizer.convert_tokens_to_ids(["<unk>", "<s>", "</s>", "<0x0A>"]) == [0, 1, 2, 13]
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|eom_id|>", "<|eot_id|>"]
    first, *others = llama3.convert_tokens_to_ids(names)
    assert [number - first for number in others] == [1, 4, 8, 9]  # as 128000, 128001, 128004, 128008, 128009


@pytest.mark.parametrize("family", FAMILIES)
def test_pad_never_stops(family: str, twins: Callable[[str], Twin], loaded: Callable[[str], Any]) -> None:
    tokenizer = loaded(family)
    stops = tokenizers.stop_ids(tokenizer, twins(family).nf4)
    assert tokenizer.pad_token == PADS[family]
    assert tokenizer.pad_token_id not in stops
    assert tokenizer.convert_ids_to_tokens(stops) == STOPS[family]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["천식은 😀 無", "line\r\nline\r\n\r\n", "a\tb  c    d", "fièvre ≥ 38 °C"])
def test_any_text_survives(family: str, text: str, loaded: Callable[[str], Any]) -> None:
    tokenizer = loaded(family)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids


def pieces(tokenizer: Any, text: str) -> list[str]:
    """The tokens of ``text`` as their strings."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    return list(tokenizer.convert_ids_to_tokens(ids))


def test_runs_and_boundaries_are_the_families_own(loaded: Callable[[str], Any]) -> None:
    gemma, llama2 = loaded("gemma"), loaded("llama2")
    assert pieces(gemma, "What\n\n\nis") == ["What", "\n\n\n", "is"]
    assert pieces(gemma, "What")[0] == "What"  # no blank put before the text
    assert pieces(llama2, "</s>What")[1] != "▁What"  # a blank is put before the text only at its start
    assert pieces(loaded("llama3_1"), "What is\n\n20") == ["What", "Ġis", "ĊĊ", "20"]
    assert pieces(loaded("qwen3"), "What is\n\n20") == ["What", "Ġis", "ĊĊ", "2", "0"]


# What the real SentencePiece of Mistral-7B-Instruct-v0.2 makes of a text: a blank before it, each digit
# alone, runs of blanks as long as they can be with one left to the next word, bytes for what has no piece.
MISTRAL = {
    "What": ["▁What"],
    "[INST] What? [/INST]": ["▁[", "INST", "]", "▁What", "?", "▁[", "/", "INST", "]"],
    "(": ["▁("],
    "is a": ["▁is", "▁a"],
    "is  a": ["▁is", "▁", "▁a"],
    "is   a": ["▁is", "▁▁", "▁a"],
    "is    a": ["▁is", "▁▁▁", "▁a"],
    f"is{' ' * 7}a": ["▁is", "▁" * 6, "▁a"],
    f"is{' ' * 16}a": ["▁is", "▁" * 14, "▁", "▁a"],
    f"is{' ' * 17}a": ["▁is", "▁" * 16, "▁a"],
    f"is{' ' * 34}a": ["▁is", "▁" * 16, "▁" * 16, "▁", "▁a"],
    "is\n\n 20": ["▁is", "<0x0A>", "<0x0A>", "▁", "2", "0"],
    "a\tb": ["▁a", "<0x09>", "b"],
    "\n\nof   it": ["▁", "<0x0A>", "<0x0A>", "of", "▁▁", "▁it"],
    "10 of 3.5": ["▁", "1", "0", "▁of", "▁", "3", ".", "5"],
    "\U0001fac1": ["▁", "<0xF0>", "<0x9F>", "<0xAB>", "<0x81>"],  # lungs, of 2020
    "": [],
}


@pytest.mark.parametrize("text", MISTRAL)
def test_mistrals_twin_splits_as_the_real_tokenizer(text: str, loaded: Callable[[str], Any]) -> None:
    tokenizer = loaded("mistral")
    assert pieces(tokenizer, text) == MISTRAL[text]
    assert tokenizer.backend_tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_mistrals_prompt_begins_as_its_own_library_writes_it(loaded: Callable[[str], Any]) -> None:
    """One blank before [INST], not two: the template's own, and none by the tokenizer after <s>."""
    talk = [{"role": "user", "content": "What"}, {"role": "assistant", "content": "it"}]
    text = loaded("mistral").apply_chat_template(talk, tokenize=False)
    expected = ["<s>", "▁[", "INST", "]", "▁What", "▁[", "/", "INST", "]", "▁it", "</s>"]
    assert pieces(loaded("mistral"), text) == expected


@pytest.mark.skipif("MEDFT_REAL_DATA" not in os.environ, reason="MEDFT_REAL_DATA: real Mistral NOT COMPARED")
def test_the_real_mistral_tokenizer(tmp_path: Path) -> None:
    """The table above is what the real file says, and our settings and template with its vocabulary give its
    ids."""
    from sentencepiece import SentencePieceProcessor
    from transformers import AutoTokenizer

    model = Path(os.environ["MEDFT_REAL_DATA"]) / "tokenizers" / "mistral_v0.2_tokenizer.model"
    real = SentencePieceProcessor(str(model))
    assert {text: real.encode(text, out_type=str) for text in MISTRAL} == MISTRAL
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        shutil.copy(folder_of("mistral") / name, tmp_path)
    shutil.copy(model, tmp_path / "tokenizer.model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    talk = [{"role": "user", "content": "What is asthma? 2"}, {"role": "assistant", "content": "A disease."}]
    text = tokenizer.apply_chat_template(talk, tokenize=False)
    expected = [1, *real.encode("[INST] What is asthma? 2 [/INST]"), *real.encode("A disease."), 2]
    assert expected[1:3] == [733, 16289]
    assert tokenizer(text, add_special_tokens=False).input_ids == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_tokenizer_json_alone_splits_as_the_loaded_tokenizer(
    family: str, loaded: Callable[[str], Any], samples: list[str]
) -> None:
    """transformers sets some tokenizers up anew from their class; other readers take the file as it is."""
    from tokenizers import Tokenizer

    alone = Tokenizer.from_file(str(folder_of(family) / "tokenizer.json"))
    for text in [*samples, *MISTRAL, GOLDEN[family]]:
        assert (
            alone.encode(text, add_special_tokens=False).ids
            == loaded(family)(text, add_special_tokens=False).input_ids
        )


def test_shipped_families_are_found() -> None:
    assert names() == sorted(FAMILIES)
    assert folder_of("mistral").name == "mistral"


def test_a_path_is_a_family_too(tmp_path: Path) -> None:
    shutil.copytree(folder_of("gemma"), tmp_path / "mine")
    assert folder_of(str(tmp_path / "mine")) == tmp_path / "mine"


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mistral'") as caught:
        folder_of("mistrl")
    assert "--config-dir" in caught.value.remedy


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's folder of settings with the family ``mine`` and a model that names it, as CONTRIBUTING
    tells."""
    shutil.copytree(folder_of("mistral"), tmp_path / "conf" / "family" / "mine")
    (tmp_path / "conf" / "model").mkdir()
    model = {"name": "my_model", "base": "somebody/model", "family": "mine"}
    (tmp_path / "conf" / "model" / "my_model.yaml").write_text(yaml.safe_dump(model))
    return tmp_path / "conf"


def searching(own: Path) -> list[str]:
    return with_config_dir(["--config-dir", str(own), "model=my_model"])


def test_a_family_of_the_users_own(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two rows are prepared and shown with the tokens of a twin that no Python file knows of."""
    places = [
        f"artifacts={tmp_path / 'artifacts'}",
        f"processed={tmp_path / 'processed'}",
        "scale=tiny",
        "show=2",
    ]
    config = settings("prepare", [*searching(own), *places])
    assert config.model.family == str(own / "family" / "mine")
    prepare(config)
    assert "mine's tiny twin" in capsys.readouterr().out
    built = twin(config.model.family, tmp_path / "artifacts" / "tiny")
    assert built.nf4.parent.name.startswith("mine-tiny-") and (built.nf4 / "model.safetensors").is_file()


def test_a_family_of_the_users_own_may_not_hide_a_shipped_one(own: Path) -> None:
    (own / "family" / "mine").rename(own / "family" / "gemma")
    (own / "model" / "my_model.yaml").write_text("{name: my_model, base: a/b, family: gemma}")
    with pytest.raises(ConfigError, match="a name that medft itself uses"):
        settings("train", searching(own))


def test_a_tokenizer_larger_than_its_model_is_refused(own: Path, tmp_path: Path) -> None:
    config = own / "family" / "mine" / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 2048', '"vocab_size": 1024'))
    with pytest.raises(DataError, match="2,048 tokens"):
        twin(str(config.parent), tmp_path)
