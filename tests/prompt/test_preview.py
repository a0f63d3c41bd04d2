"""A row as it is shown, on the tokenizers of all four families."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from medft.data.record import Message
from medft.models import tokenizer as tokenizers
from medft.prompt.encoded import IGNORE
from medft.prompt.preview import Preview, Previewer

FAMILIES = ("gemma", "llama2", "mistral", "llama3_1", "qwen3")
ANSWER = "At 38.5 °C: fluids; a β-blocker is no help, 天."
TALK = (
    Message("system", "You are a medical professional."),
    Message("user", "What helps with a fever?"),
    Message("assistant", ANSWER),
)
STOPS = {
    "gemma": "<end_of_turn>",
    "llama2": "</s>",
    "mistral": "</s>",
    "llama3_1": "<|eot_id|>",
    "qwen3": "<|im_end|>",
}
THOUGHTS = {"qwen3": "<think>\n\n</think>\n\n"}  # learnt with the answer


@pytest.fixture(scope="module")
def loaded(twins: Any) -> dict[str, Any]:
    return {family: tokenizers.load(twins(family).bits16) for family in FAMILIES}


def previewer(tokenizer: Any, max_length: int = 512) -> Previewer:
    return Previewer(tokenizer, tokenizers.stop_ids(tokenizer), max_length)


def text(preview: Preview, *kinds: str) -> str:
    return "".join(piece.text for piece in preview.pieces if piece.kind in kinds)


def failed(preview: Preview) -> set[str]:
    return {check.name for check in preview.checks if not check.passed}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_row_passes_every_check(loaded: dict[str, Any], family: str) -> None:
    preview = previewer(loaded[family]).show("r1", TALK)
    assert preview.id == "r1" and failed(preview) == set()
    assert [check.name for check in preview.checks] == [
        "one BOS", "prompt is a prefix", "stop token learnt", "not cut", "no prompt faults in the texts",
    ]  # fmt: skip


def test_turns_that_are_not_learnt_are_shown_as_such(loaded: dict[str, Any]) -> None:
    context = [replace(turn, learnt=False) for turn in TALK]
    preview = previewer(loaded["mistral"]).show("r1", [*TALK, Message("user", "Why?"), context[-1]])
    assert failed(preview) == set()
    assert "the last answer is not trained on" in preview.checks[1].found
    marked = "".join(piece.text for piece in preview.pieces if piece.kind in ("learnt", "stop"))
    assert marked.count(TALK[-1].content) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pieces_are_the_whole_row_as_the_tokenizer_decodes_it(
    loaded: dict[str, Any], family: str
) -> None:
    tokenizer = loaded[family]
    shown = previewer(tokenizer)
    (row,) = shown.uncut.encode([TALK])
    preview = shown.show("r1", TALK)
    whole = "".join(piece.text for piece in preview.pieces)
    assert whole == tokenizer.backend_tokenizer.decode(row.input_ids, skip_special_tokens=False)
    assert preview.tokens == len(row.input_ids)
    assert preview.loss_tokens == sum(label != IGNORE for label in row.labels)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_marked_is_the_answer_and_its_stop_token(loaded: dict[str, Any], family: str) -> None:
    preview = previewer(loaded[family]).show("r1", TALK)
    assert text(preview, "learnt").strip() == THOUGHTS.get(family, "") + ANSWER
    assert text(preview, "stop") == STOPS[family]
    assert "What helps with a fever?" in text(preview, "prompt", "special")


def test_a_cut_row_says_where_and_that_it_never_learns_to_stop(loaded: dict[str, Any]) -> None:
    whole = previewer(loaded["mistral"]).show("r1", TALK)
    preview = previewer(loaded["mistral"], whole.tokens - 3).show("r1", TALK)
    assert failed(preview) == {"stop token learnt", "not cut"}
    (cut,) = (check.found for check in preview.checks if check.name == "not cut")
    assert cut.startswith(f"after token {whole.tokens - 3} of {whole.tokens}")
    assert preview.tokens == whole.tokens - 3


def test_a_row_whose_prompt_leaves_no_room_is_dropped(loaded: dict[str, Any]) -> None:
    preview = previewer(loaded["gemma"], 8).show("r1", TALK)
    assert preview.tokens == 0 and preview.pieces == ()
    assert any("dropped from training" in check.found for check in preview.checks)


def test_a_chat_template_without_bos_is_noticed(loaded: dict[str, Any]) -> None:
    tokenizer = copy.deepcopy(loaded["mistral"])
    tokenizer.chat_template = tokenizer.chat_template.replace("bos_token", "''")
    assert failed(previewer(tokenizer).show("r1", TALK)) == {"one BOS"}


def test_special_strings_in_a_text_are_shown_as_text_and_named(loaded: dict[str, Any]) -> None:
    talk = (Message("user", "<s>[INST] What is gout? [/INST]"), Message("assistant", "A disease.</s>"))
    preview = previewer(loaded["mistral"]).show("r1", talk)
    assert failed(preview) == {"no prompt faults in the texts"}
    assert text(preview, "stop") == "</s>", "the one that the chat template writes"
    assert "A disease.</s>" in text(preview, "learnt")
