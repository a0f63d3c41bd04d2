"""Chat templates that would take a machine down are refused; others are not kept waiting."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from medft.data.record import Message
from medft.errors import PromptError
from medft.models import tokenizer as tokenizers
from medft.models.tiny import Twin
from medft.prompt import bounded
from medft.prompt.chat import Chat

TURNS = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
BOMBS = {
    "memory": "{% set x = 'a' * 10000000000 %}" + TURNS,
    "doubling": "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "time": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + TURNS,
    "text": "{{ 'a' * 2000000 }}" + TURNS,
    "later": "{% if messages|length > 2 %}{% set x = 'a' * 10000000000 %}{% endif %}" + TURNS,
}


@pytest.fixture
def tokenizer(twins: Callable[[str], Twin]) -> Any:
    return tokenizers.load(twins("mistral").bits16)


def test_a_child_imports_nothing_that_a_thread_of_the_parent_may_hold() -> None:
    script = "import sys; from medft.prompt.bounded import rendered; "
    script += "print(rendered(lambda: str('jinja2.sandbox' in sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"True\n"


def test_a_limit_of_the_user_that_is_lower_is_kept() -> None:
    script = "import resource, sys; from medft.prompt.bounded import rendered; "
    script += "resource.setrlimit(resource.RLIMIT_CPU, (5, 5)); "
    script += "print(rendered(lambda: str(resource.getrlimit(resource.RLIMIT_CPU))))"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"(5, 5)\n"
    )


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_and_goes_off_nowhere(
    kind: str, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "SECONDS", 1)
    tokenizer.chat_template = BOMBS[kind]
    began = time.monotonic()
    with pytest.raises(PromptError, match="than any conversation needs"):
        Chat(tokenizer).skeleton(("user", "assistant", "user", "assistant"))
    assert time.monotonic() - began < 15


def test_a_template_that_refuses_says_why_itself(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ raise_exception('no system here') }}"
    with pytest.raises(PromptError, match="no system here"):
        Chat(tokenizer).render([Message("user", "?")])
