"""Messages -> text through the tokenizer's own chat template, rendered once per shape of conversation.

Rendering a Jinja template for every row is slow, and its output does not tell the structure it wrote from a
user's words that look like structure. So each sequence of roles is rendered once, with placeholders for the
contents; rows are then filled in by joining strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medft.data.record import Message, Role
from medft.errors import PromptError
from medft.prompt.bounded import TemplateError, here, rendered
from medft.prompt.tokenizer import Tokenizer, Turns

# Characters of a private-use area, which no chat template trims, splits on or writes.
_OPEN, _CLOSE = "\ue000", "\ue001"
_KEPT = 512  # texts
_RENDERED: dict[str, str] = {}
"""Conversations as templates have rendered them in this process, the oldest first."""
_SLOT = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """One shape of conversation: ``texts[0] content[0] texts[1] content[1] ... texts[n]``."""

    texts: tuple[str, ...]
    """What the chat template writes before, between and after the contents."""
    answers: tuple[tuple[int, str], ...]
    """Per assistant turn: the index of its content, and what the template writes between the generation
    prompt and the content (a separating space, or an empty block of thoughts, for some)."""

    def join(self, contents: Sequence[str]) -> str:
        """The rendered conversation."""
        pieces = [self.texts[0]]
        for content, text in zip(contents, self.texts[1:], strict=True):
            pieces += (content, text)
        return "".join(pieces)

    def spans(self, contents: Sequence[str]) -> list[tuple[int, int]]:
        """Where each content starts and ends in the joined text, in characters."""
        spans, position = [], 0
        for text, content in zip(self.texts, contents, strict=False):
            start = position + len(text)
            position = start + len(content)
            spans.append((start, position))
        return spans


class Chat:
    """A tokenizer's chat template, as skeletons.

    Args:
        tokenizer: a fast tokenizer that has a chat template.
        trusted: the template is one that a library of medft's ships.

    Raises:
        PromptError: at the first use of a shape that the template cannot render faithfully.
    """

    def __init__(self, tokenizer: Tokenizer, *, trusted: bool = False) -> None:
        self._tokenizer, self._trusted = tokenizer, trusted
        self._skeletons: dict[tuple[tuple[Role, ...], bool], Skeleton] = {}
        self.folds_system = not self._takes_system()

    def shape(self, messages: Sequence[Message]) -> tuple[tuple[Role, ...], tuple[str, ...]]:
        """Roles and contents as they will be rendered: contents without surrounding blanks, the system text
        put before the first user turn, with a blank line, where the template has no system role."""
        roles = tuple(message.role for message in messages)
        contents = tuple(message.content.strip() for message in messages)
        if roles[0] == "system" and self.folds_system:
            roles, contents = roles[1:], (f"{contents[0]}\n\n{contents[1]}", *contents[2:])
        return roles, contents

    def skeleton(self, roles: tuple[Role, ...], *, generate: bool = False) -> Skeleton:
        """The skeleton of ``roles``; with ``generate``, that of the prompt for the next assistant turn."""
        key = (roles, generate)
        if key not in self._skeletons:
            self._skeletons[key] = self._build(roles, generate)
        return self._skeletons[key]

    def render(self, messages: Sequence[Message], *, generate: bool = False) -> str:
        """The text the chat template itself makes of ``messages``, for checks."""
        roles, contents = self.shape(messages)
        return self._apply(roles, contents, generate)

    def _build(self, roles: tuple[Role, ...], generate: bool) -> Skeleton:
        slots = [f"{_OPEN}{i}{_CLOSE}" for i in range(len(roles))]
        text = self._apply(roles, slots, generate)
        if [int(n) for n in _SLOT.findall(text)] != list(range(len(roles))):
            raise PromptError(
                f"the chat template drops, repeats or reorders turns of {'/'.join(roles)}",
                remedy="check the chat template of this model; it cannot be used as it is",
            )
        answers = []
        for turn, role in enumerate(roles):
            if role != "assistant":
                continue
            prompt = self._apply(roles[:turn], slots[:turn], True)
            start = text.index(slots[turn])
            if not text.startswith(prompt) or len(prompt) > start:
                raise PromptError(
                    "the chat template's generation prompt is not a prefix of the finished conversation",
                    where=f"assistant turn {turn} of {'/'.join(roles)}",
                    remedy="use a model whose chat template renders prompts and conversations consistently",
                )
            answers.append((turn, text[len(prompt) : start]))
        return Skeleton(tuple(_SLOT.split(text)[::2]), tuple(answers))

    def _takes_system(self) -> bool:
        try:
            text = self._apply(("system", "user"), (f"{_OPEN}0{_CLOSE}", "?"), True)
        except PromptError:
            return False
        return _OPEN in text  # some templates ignore a system turn without a word

    def _apply(self, roles: Sequence[Role], contents: Sequence[str], generate: bool) -> str:
        turns = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        try:
            return apply(self._tokenizer, turns, generate, trusted=self._trusted)
        except TemplateError as error:
            raise PromptError(
                f"the chat template rejects a conversation of {'/'.join(roles)}: {error}",
                remedy="turns must alternate user/assistant, beginning with the user",
            ) from error


def apply(tokenizer: Tokenizer, turns: Turns, generate: bool = False, *, trusted: bool = False) -> str:
    """What the tokenizer's own template makes of ``turns``; kept, since a run asks the same again and again.
    Unless it is ``trusted``, a child process renders it.

    Raises:
        TemplateError: it refuses them.
        PromptError: as ``bounded.rendered``.
    """
    said = [(turn["role"], turn["content"]) for turn in turns]
    key = str((tokenizer.chat_template, tokenizer.special_tokens_map, said, generate))
    if key not in _RENDERED:

        def render() -> str:
            return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generate))

        _RENDERED[key] = here(render) if trusted else rendered(render)
    while len(_RENDERED) > _KEPT:
        _RENDERED.pop(next(iter(_RENDERED)))
    return _RENDERED[key]
