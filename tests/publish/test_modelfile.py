"""A Modelfile writes the prompt of the chat template, to the character: every family, several turns."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medft.data.record import Message
from medft.errors import PromptError
from medft.models.families import folder_of
from medft.prompt.chat import Chat
from medft.publish.modelfile import go_template, modelfile, turns_of
from tests.support.go_template import render

FAMILIES = ("gemma", "llama2", "mistral", "llama3_1", "qwen3")

SYSTEM = ("system", "You are a medical professional.")
ONE = ("user", "What is asthma?")
TWO = ("assistant", "A chronic lung disease.")
THREE = ("user", "Is it { curable }? 'No' or \"yes\"")
CONVERSATIONS = [
    [ONE],
    [SYSTEM, ONE],
    [ONE, TWO, THREE],
    [SYSTEM, ONE, TWO, THREE],
    [ONE, TWO, THREE, TWO, ONE],
]


@pytest.fixture(scope="module")
def tokenizers() -> Callable[[str], Any]:
    from transformers import AutoTokenizer

    made: dict[str, Any] = {}

    def make(family: Any) -> Any:
        if family not in made:
            made[family] = AutoTokenizer.from_pretrained(folder_of(family))
        return made[family]

    return make


@pytest.mark.parametrize("turns", CONVERSATIONS, ids=len)
@pytest.mark.parametrize("family", FAMILIES)
def test_prompt_text(tokenizers: Callable[[str], Any], family: str, turns: list[tuple[Any, str]]) -> None:
    tokenizer = tokenizers(family)
    chat = Chat(tokenizer)
    expected = chat.render([Message(role, content) for role, content in turns], generate=True)
    bos = tokenizer.bos_token or ""
    template = go_template(turns_of(chat), bos)
    got = render(template, [{"role": role, "content": content} for role, content in turns])
    assert bos + got == expected


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is missing: its own templates are NOT TESTED")
def test_go_itself_writes_the_same(tokenizers: Callable[[str], Any], tmp_path: Path) -> None:
    """The renderer above is ours; this is the language that Ollama's templates are written in."""
    program = tmp_path / "render"
    source = Path(__file__).parents[1] / "support" / "render.go"
    subprocess.run(["go", "build", "-o", program, source], check=True, cwd=tmp_path)
    asked = [[{"role": r, "content": c} for r, c in conversation] for conversation in CONVERSATIONS]
    for family in FAMILIES:
        tokenizer = tokenizers(family)
        chat = Chat(tokenizer)
        bos = tokenizer.bos_token or ""
        (tmp_path / "template").write_text(go_template(turns_of(chat), bos))
        told = subprocess.run(
            [program, tmp_path / "template"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
        )
        for turns, text in zip(CONVERSATIONS, json.loads(told.stdout), strict=True):
            messages = [Message(role, content) for role, content in turns]  # type: ignore[arg-type]
            assert bos + text == chat.render(messages, generate=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_bos_stays_when_the_runtime_adds_none(tokenizers: Callable[[str], Any], family: str) -> None:
    chat = Chat(tokenizers(family))
    expected = chat.render([Message("user", "x")], generate=True)
    assert render(go_template(turns_of(chat), ""), [{"role": "user", "content": "x"}]) == expected


def test_the_file(tokenizers: Callable[[str], Any]) -> None:
    turns = turns_of(Chat(tokenizers("llama3_1")))
    text = modelfile(turns, "./x.gguf", ["<|eot_id|>", 'a"b'], "<|begin_of_text|>")
    assert text.startswith('FROM ./x.gguf\nTEMPLATE """{{ range')
    assert text.count('"""') == 2
    assert re.findall("PARAMETER stop (.*)", text) == ['"<|eot_id|>"', '"a\\"b"']
    with_system = modelfile(turns, "./x.gguf", [], "", 'Du bist "Ärztin".\nAntworte {{wahr}}.')
    assert with_system.endswith('SYSTEM """Du bist "Ärztin".\nAntworte {{wahr}}."""\n')
    with pytest.raises(PromptError, match="Modelfile"):
        modelfile(turns, "./x.gguf", [], "", 'a """ b')


class Odd:
    """A tokenizer whose template says goodbye before the last user turn."""

    backend_tokenizer = None
    bos_token_id = eos_token_id = pad_token_id = chat_template = None
    special_tokens_map: dict[str, str] = {}  # noqa: RUF012

    def apply_chat_template(self, turns: list[dict[str, str]], **settings: Any) -> str:
        parts = [f"[{turn['role']}]{turn['content']}" for turn in turns]
        return (
            ("many:" if len(turns) > 1 else "")
            + "".join(parts)
            + "[assistant]" * settings["add_generation_prompt"]
        )


def test_a_template_that_looks_ahead_is_refused() -> None:
    with pytest.raises(PromptError):
        turns_of(Chat(Odd()))
