"""The twins' tokenizers and chat templates against what the families are known to do."""

from collections.abc import Callable
from typing import Any

import pytest

from medft.models import tiny, tiny_family, tiny_tokenizer
from medft.models import tokenizer as tokenizers
from medft.models.registry import Family
from medft.models.tiny import Twin

FAMILIES: tuple[Family, ...] = ("gemma", "llama2", "mistral", "llama3_1")

SYSTEM, QUESTION, ANSWER = "You are a medical professional.", "What is asthma?", "A chronic lung disease."
DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
GOLDEN: dict[Family, str] = {
    "gemma": "<bos><start_of_turn>user\nYou are a medical professional.\n\nWhat is asthma?<end_of_turn>\n"
    "<start_of_turn>model\nA chronic lung disease.<end_of_turn>\n",
    "llama2": "<s>[INST] <<SYS>>\nYou are a medical professional.\n<</SYS>>\n\nWhat is asthma? [/INST] "
    "A chronic lung disease. </s>",
    "mistral": "<s> [INST] You are a medical professional.\n\nWhat is asthma? [/INST] "
    "A chronic lung disease.</s>",
    "llama3_1": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    + DATES
    + SYSTEM
    + "<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhat is asthma?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA chronic lung disease.<|eot_id|>",
}
SECOND: dict[Family, str] = {
    "gemma": "<start_of_turn>user\nAnd COPD?<end_of_turn>\n",
    "llama2": "<s>[INST] And COPD? [/INST]",
    "mistral": " [INST] And COPD? [/INST]",
    "llama3_1": "<|start_header_id|>user<|end_header_id|>\n\nAnd COPD?<|eot_id|>",
}
FOLDS = ("gemma", "mistral")


@pytest.fixture(scope="module")
def loaded(twins: Callable[[Family], Twin]) -> Callable[[Family], Any]:
    cache: dict[Family, Any] = {}

    def load(family: Family) -> Any:
        if family not in cache:
            cache[family] = tokenizers.load(twins(family).nf4)
        return cache[family]

    return load


def turns(family: Family) -> list[dict[str, str]]:
    first = f"{SYSTEM}\n\n{QUESTION}" if family in FOLDS else QUESTION
    system = [] if family in FOLDS else [{"role": "system", "content": SYSTEM}]
    return [*system, {"role": "user", "content": first}, {"role": "assistant", "content": ANSWER}]


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_conversation(family: Family, loaded: Callable[[Family], Any]) -> None:
    assert loaded(family).apply_chat_template(turns(family), tokenize=False) == GOLDEN[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_form_is_a_prefix_in_text_and_ids(family: Family, loaded: Callable[[Family], Any]) -> None:
    tokenizer = loaded(family)
    prompt = tokenizer.apply_chat_template(turns(family)[:-1], tokenize=False, add_generation_prompt=True)
    assert GOLDEN[family].startswith(prompt)
    assert GOLDEN[family][len(prompt) :].lstrip(" ").startswith(ANSWER)
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, GOLDEN[family])]
    assert ids[1][: len(ids[0])] == ids[0]
    assert ids[1].count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_second_turn(family: Family, loaded: Callable[[Family], Any]) -> None:
    more = [*turns(family), {"role": "user", "content": "And COPD?"}]
    text = loaded(family).apply_chat_template(more, tokenize=False)
    assert text == GOLDEN[family] + SECOND[family]


@pytest.mark.parametrize("family", FOLDS)
def test_system_role_is_refused(family: Family, loaded: Callable[[Family], Any]) -> None:
    with pytest.raises(Exception, match=r"(?i)system|roles"):
        loaded(family).apply_chat_template([{"role": "system", "content": SYSTEM}, *turns(family)])


@pytest.mark.parametrize("family", ("gemma", "llama2", "mistral"))
def test_turns_must_alternate(family: Family, loaded: Callable[[Family], Any]) -> None:
    user = {"role": "user", "content": QUESTION}
    with pytest.raises(Exception, match="alternate"):
        loaded(family).apply_chat_template([user, user])


def test_llama3_dates_every_conversation(loaded: Callable[[Family], Any]) -> None:
    user = [{"role": "user", "content": QUESTION}]
    text = loaded("llama3_1").apply_chat_template(user, tokenize=False, date_string="21 Nov 2026")
    assert "Today Date: 21 Nov 2026\n\n<|eot_id|>" in text


def test_special_ids(loaded: Callable[[Family], Any]) -> None:
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
def test_pad_never_stops(
    family: Family, twins: Callable[[Family], Twin], loaded: Callable[[Family], Any]
) -> None:
    tokenizer = loaded(family)
    stops = tokenizers.stop_ids(tokenizer, twins(family).nf4)
    assert tokenizer.pad_token == tiny_family.SPECIALS[family].pad
    assert tokenizer.pad_token_id not in stops
    assert tokenizer.convert_ids_to_tokens(stops) == sorted(
        tiny_family.SPECIALS[family].stop, key=tokenizer.convert_tokens_to_ids
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["천식은 😀 無", "line\r\nline\r\n\r\n", "a\tb  c    d", "fièvre ≥ 38 °C"])
def test_any_text_survives(family: Family, text: str, loaded: Callable[[Family], Any]) -> None:
    tokenizer = loaded(family)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids


def test_runs_and_boundaries_are_the_families_own(loaded: Callable[[Family], Any]) -> None:
    def pieces(family: Family, text: str) -> list[str]:
        tokenizer = loaded(family)
        tokens: list[str] = tokenizer.convert_ids_to_tokens(
            tokenizer(text, add_special_tokens=False).input_ids
        )
        return tokens

    assert pieces("gemma", "What\n\n\nis") == ["What", "\n\n\n", "is"]
    assert pieces("gemma", "What")[0] == "What"  # no blank put before the text
    assert pieces("mistral", "What")[0] == "▁What"
    assert pieces("mistral", "</s>What")[1] == "▁What"  # also after a special token
    assert pieces("llama2", "</s>What")[1] != "▁What"  # here only at the start
    assert pieces("mistral", "is\n\n 20")[1:] == ["<0x0A>", "<0x0A>", "▁", "2", "0"]
    assert pieces("mistral", "is   a") == ["▁is", "▁▁", "▁a"]  # a word keeps its blank
    assert pieces("llama3_1", "What is\n\n20") == ["What", "Ġis", "ĊĊ", "20"]


def test_training_is_deterministic() -> None:
    texts = [f"{question}\n\n{answer}" for question, answer in tiny._pairs()]
    for family in FAMILIES:
        assert tiny_tokenizer.train(family, texts).to_str() == tiny_tokenizer.train(family, texts).to_str()
