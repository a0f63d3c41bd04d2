"""An Ollama Modelfile whose prompt is the chat template's, to the character.

The chat template is translated into Go's template language by looking at what it renders and not at how it is
written.

Ollama hands a template all turns, the system turn among them (its template.go, ``Execute`` and ``collate``),
and puts the BOS token before the text when the weights ask for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from medft.errors import PromptError
from medft.prompt.chat import Chat


@dataclass(frozen=True, slots=True)
class Turns:
    """The texts that a chat template writes around the turns of a conversation."""

    first_user: str
    """Before the first user turn, when no system turn precedes it."""
    system: str
    """Before a system turn."""
    after_system: str
    """Between it and the user turn."""
    after_user: str
    """The generation prompt."""
    before_answer: str
    """What an answer that is part of the conversation has before it besides (a blank, for some families)."""
    next_user: str
    """Between an answer and the next user turn."""


def turns_of(chat: Chat) -> Turns:
    """What ``chat`` writes around turns.

    Raises:
        PromptError: the template writes later turns, or turns after a system text, in another way; no
            Modelfile can then be equal to it.
    """
    first_user, after_user = chat.skeleton(("user",), generate=True).texts
    start, answer, next_user, end = chat.skeleton(("user", "assistant", "user"), generate=True).texts
    if chat.folds_system:
        system, after_system = first_user, "\n\n"
    else:
        system, after_system, _ = chat.skeleton(("system", "user"), generate=True).texts
    before_answer = answer.removeprefix(after_user)
    turns = Turns(first_user, system, after_system, after_user, before_answer, next_user)
    regular = (start, end) == (first_user, after_user) and answer.startswith(after_user)
    if not chat.folds_system:
        talk = chat.skeleton(("system", "user", "assistant", "user"), generate=True).texts
        regular &= talk == (system, after_system, answer, next_user, after_user)
    if not regular:
        raise PromptError(
            "this chat template writes turns differently by what stands around them, as no Modelfile can",
            remedy="serve merged/ with vLLM or transformers, which use the chat template itself",
        )
    return turns


def modelfile(turns: Turns, weights: str, stops: Sequence[str], bos: str, system: str = "") -> str:
    """A Modelfile.

    Args:
        turns: the texts around turns.
        weights: path of the weights, from the folder of the Modelfile.
        stops: texts that end an answer.
        bos: the BOS token when the runtime adds it by itself, else empty.
        system: what Ollama sends as the system turn where a conversation brings none.
    """
    lines = [
        f"FROM {weights}",
        f'TEMPLATE """{go_template(turns, bos)}"""',
        *([f'SYSTEM """{_quoted(system)}"""'] if system else []),
        *(f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops),
    ]
    return "\n".join(lines) + "\n"


_GO = """{{ range $i, $m := .Messages }}\
{{ if eq $m.Role "system" }}@system@{{ $m.Content }}@after_system@\
{{ else if eq $m.Role "assistant" }}@before_answer@{{ $m.Content }}\
{{ else if eq $m.Role "user" }}\
{{ if eq $i 0 }}@first_user@\
{{ else if or (gt $i 1) (ne (index $.Messages 0).Role "system") }}@next_user@{{ end }}\
{{ $m.Content }}@after_user@{{ end }}{{ end }}"""


def go_template(turns: Turns, bos: str) -> str:
    """The template in Go's language; without the leading BOS that the runtime adds."""

    def fill(slot: re.Match[str]) -> str:
        text: str = getattr(turns, slot[1])
        return _literal(text.removeprefix(bos) if slot[1] in ("system", "first_user") else text)

    return re.sub(r"@(\w+)@", fill, _GO)


def _literal(text: str) -> str:
    """Text that Go's template engine and the Modelfile's quotes leave as it is."""
    return _quoted(text).replace("{{", '{{ "{{" }}')


def _quoted(text: str) -> str:
    """Text between a Modelfile's triple quotes."""
    if '"""' in text:
        raise PromptError('the prompt template writes """, which a Modelfile cannot hold')
    return text
